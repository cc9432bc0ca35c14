// Keys, and pictures that are pasted or dropped anywhere. Set up once a tab: Streamlit
// draws the page anew around it. Nothing is taken from a field that somebody writes in.
if (!window.searchkitKeys) {
  window.searchkitKeys = true;

  const HIT = ".sk-hit";
  const OPEN = '[data-do="open"]';
  const SEARCH = 'input[aria-label="Search"]';
  const ABOVE = '[role="dialog"], [data-testid="stPopoverBody"]';
  const openings = () => [...document.querySelectorAll(`${HIT} ${OPEN}`)].filter((one) => one.offsetParent);
  const isWriting = (at) => at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName);

  // Left and right follow the order of the hits; up and down, the nearest of the row above or below.
  const beside = (key, here, all) => {
    if (key === "ArrowRight") return all[all.indexOf(here) + 1];
    if (key === "ArrowLeft") return all[all.indexOf(here) - 1];
    const box = (one) => one.closest(HIT).getBoundingClientRect();
    const [mine, way] = [box(here), key === "ArrowDown" ? 1 : -1];
    const far = (one) => 100 * Math.abs(box(one).top - mine.top) + Math.abs(box(one).left - mine.left);
    const beyond = all.filter((one) => way * (box(one).top - mine.top) > 5);
    return beyond.sort((one, other) => far(one) - far(other))[0];
  };

  const move = (event, at) => {
    const inside = at.closest(HIT);
    const free = at === document.body || at.matches("section, main, [data-testid=stMain]");
    if (document.querySelector(ABOVE) || !(free || inside)) return;
    const all = openings();
    const here = inside && inside.querySelector(OPEN);
    const next = here ? beside(event.key, here, all) : all.find((one) => one.closest(HIT).getBoundingClientRect().bottom > 60);
    if (!next) return;
    event.preventDefault();
    next.focus({ preventScroll: true });
    next.closest(HIT).scrollIntoView({ block: "nearest" });
  };

  let opened = null; // the hit whose dialog is open: the keyboard goes back to it
  document.addEventListener("focusin", (event) => {
    if (event.target.closest?.(`${HIT} ${OPEN}`) === event.target) opened = event.target;
  });

  document.addEventListener("keydown", (event) => {
    const at = document.activeElement || document.body;
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.isComposing) return;
    if (event.key === "Escape" && at.matches(SEARCH)) at.blur();
    if (event.key === "Escape" && document.querySelector('[role="dialog"]') && opened) {
      const back = opened;
      setTimeout(() => document.activeElement === document.body && back.isConnected && back.focus(), 500);
    }
    if (isWriting(at)) return;
    if (event.key === "/") {
      const field = document.querySelector(SEARCH);
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    } else if (/^Arrow(Left|Right|Up|Down)$/.test(event.key)) move(event, at);
  });

  // What is pasted or dropped goes the way of every upload, by a field that is not seen.
  const give = (picture, tries) => {
    const field = document.querySelector('.st-key-pasting input[type="file"]');
    if (!field) { if (tries) setTimeout(give, 100, picture, tries - 1); return; } // still being drawn
    const moved = new DataTransfer();
    moved.items.add(picture);
    field.files = moved.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const offer = (event, files) => {
    const picture = [...(files || [])].find((one) => one.type.startsWith("image/"));
    if (!picture) return;
    event.preventDefault();
    give(picture, 50);
  };

  document.addEventListener("paste", (event) => {
    const data = event.clipboardData;
    const words = data && data.types.includes("text/plain") && isWriting(document.activeElement);
    if (data && !words) offer(event, data.files);
  });
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  const hasField = (event) => event.target.closest?.('[data-testid="stFileUploaderDropzone"]');
  document.addEventListener("dragover", (event) => {
    if (holdsFiles(event) && !hasField(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!holdsFiles(event) || hasField(event)) return;
    event.preventDefault(); // or the browser leaves the page for the file
    offer(event, event.dataTransfer.files);
  });
}
