// Who else looks at tickets, by conversation: their faces, as the server has rendered them.
const agent = document.querySelector("[data-agent]")?.dataset.agent;
const faces = new Map();

export function noteLookers(element) {
  const others = [...element.children].filter(({ dataset }) => dataset.looker !== agent);
  if (others.length) faces.set(element.dataset.lookers, others);
  else faces.delete(element.dataset.lookers);
}

export const forgetLookers = () => faces.clear();

export function showLookers(root = document) {
  for (const place of root.querySelectorAll("[data-lookers-of]")) {
    const owner = place.closest("[data-row]")?.dataset.owner; // whose face the row has anyway
    const others = (faces.get(place.dataset.lookersOf) ?? []).filter(({ dataset }) => dataset.looker !== owner);
    if (isShown(place, others)) continue;
    place.replaceChildren(...others.map((face) => face.cloneNode(true)));
  }
}

const isShown = (place, others) =>
  place.childElementCount === others.length && others.every((face, at) => face.isEqualNode(place.children[at]));
