// Put before each component's script: an element with its attributes and what is inside; text stays text.
const make = (tag, given, ...inside) => {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) one.setAttribute(name, value);
  one.append(...inside.filter((part) => part !== null && part !== undefined));
  return one;
};
