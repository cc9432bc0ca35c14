// A list of hits: pictures in a grid, passages below them, each with its buttons. What a collection says is set as
// text, never read as HTML. Python is told {what, item} for a click, and with "rate" the value.
const DO = { open: ["Open", "Look at it"], more: ["More", "More like this"], less: ["Less", "Less like this"] };
const RATE = { right: ["thumb_up", "Right for this question"], wrong: ["thumb_down", "Wrong for this question"] };

const button = (what, name) => {
  const [word, title] = DO[what] ?? RATE[what];
  const given = { type: "button", title, "data-do": what };
  if (what in DO) return make("button", { ...given, "aria-label": `${word} ${name}` }, word);
  const icon = make("span", { class: "sk-icon", "aria-hidden": "true" }, word);
  return make("button", { ...given, "aria-label": title, "aria-pressed": "false" }, icon);
};

const line = (card) => {
  const sure = card.sure && make("span", { class: `sk-sure sk-${card.sure[0]}` }, card.sure.join(" "));
  return [sure, ...card.also.map((said) => make("span", { class: "sk-dim" }, said))];
};

const picture = (card) => {
  const seen = card.thumb ? make("img", { src: card.thumb, alt: card.alt }) : make("div", { class: "sk-none" }, card.none);
  const name = make("span", { class: "sk-name", title: card.name }, card.name);
  const caption = make("figcaption", {}, name, make("span", { class: "sk-line" }, ...line(card)));
  return make("figure", { class: "sk-card" }, seen, caption);
};

const passage = (card) => {
  const text = card.text.map(([words, marked]) => (marked ? make("mark", {}, words) : words));
  const heading = card.heading ? make("span", { class: "sk-line sk-dim" }, card.heading) : null;
  const title = make("span", { class: "sk-line" }, make("b", {}, card.name), ...line(card));
  return make("div", { class: "sk-passage" }, title, heading, make("p", { class: "sk-text" }, ...text));
};

const hit = (card, can) => {
  const row = can.length ? make("div", { class: "sk-row" }, ...can.map((what) => button(what, card.name))) : null;
  const of = card.text ? passage(card) : picture(card);
  return make("div", { class: "sk-hit", role: "listitem", "data-item": card.id }, of, row);
};

const press = (box, ratings) => {
  for (const one of box.querySelectorAll("[aria-pressed]")) {
    const item = one.closest(".sk-hit").dataset.item;
    one.setAttribute("aria-pressed", String(ratings[item] === one.dataset.do));
  }
};

export default function ({ data, parentElement, setTriggerValue }) {
  const { cards, width, can = [], rated = {} } = data;
  let box = parentElement.querySelector(".sk-hits");
  if (!box) parentElement.append((box = make("div", { class: "sk-hits" })));
  const ratings = { ...rated };

  box.onclick = (event) => {
    const item = event.target.closest(".sk-hit")?.dataset.item;
    const at = event.target.closest("[data-do]");
    if (!item || !(at || (event.target.matches(".sk-card img") && can.length))) return;
    const what = at ? at.dataset.do : "open";
    if (!(what in RATE)) return setTriggerValue("did", { what, item });
    ratings[item] = ratings[item] === what ? "" : what; // a second click takes it back
    press(box, ratings);
    setTriggerValue("did", { what: "rate", item, value: ratings[item] });
  };

  const drawn = JSON.stringify([cards, width, can]);
  if (box.drawn !== drawn) {
    const at = box.contains(document.activeElement) ? document.activeElement : null;
    const back = at && `[data-item="${at.closest(".sk-hit")?.dataset.item}"] [data-do="${at.dataset.do}"]`;
    const list = (name, some) => some.length && make("div", { class: name, role: "list" }, ...some.map((card) => hit(card, can)));
    const lists = [list("sk-grid", cards.filter((card) => !card.text)), list("sk-list", cards.filter((card) => card.text))];
    box.style.setProperty("--sk-width", `${width}px`);
    box.replaceChildren(...lists.filter(Boolean));
    box.drawn = drawn;
    if (back) box.querySelector(back)?.focus({ preventScroll: true });
  }
  press(box, ratings);
}
