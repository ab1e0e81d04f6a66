// What a key press means, on every keyboard.
import { matchKeyBindingPress, parseKeybinding } from "tinykeys";
import { isComposing } from "./fields.js";
import { word } from "./words.js";

const isApple = /Mac|iPhone|iPad/.test(navigator.platform);
// Only the pages of agents bring the words.
const nameOf = {
  $mod: () => (isApple ? "⌘" : word("keyCtrl")),
  Shift: () => (isApple ? "⇧" : word("keyShift")),
  Enter: () => "↵",
  Escape: () => word("keyEsc"),
};
const SPOKEN = { $mod: isApple ? "Meta" : "Control" };

export const isSingle = (key) => [...key].length === 1;
const partsOf = (key) => key.split("+").map((part) => (isSingle(part) ? part.toUpperCase() : part));
export const labelsOf = (key) => partsOf(key).map((part) => nameOf[part]?.() ?? part);
export const spokenOf = (key) =>
  partsOf(key)
    .map((part) => SPOKEN[part] ?? part)
    .join("+");

// Keys of an input method, accents that wait for their letter, and what AltGr makes: parts of a text.
export const makesText = (event) =>
  isComposing(event) || ["Dead", "Process", "Unidentified"].includes(event.key) || event.getModifierState("AltGraph");

export const isPress = (event, key) =>
  waysTo(event, key).some((way) => matchKeyBindingPress(event, parseKeybinding(way)[0]));

function waysTo(event, key) {
  if (isOfOtherScript(event.key)) return [placeOf(key)];
  return isSingle(key) && !/[a-z]/.test(key) ? [key, `Shift+${key}`] : [key]; // "/" is Shift+7 on many keyboards
}

// Where the keyboard writes Cyrillic or Arabic, say, the place of the key counts.
const isOfOtherScript = (key) => [...key].length === 1 && !/[\p{Script=Latin}\p{ASCII}]/u.test(key);

function placeOf(key) {
  const place = { "/": "Slash", "?": "Shift+Slash" }[key];
  return place ?? key.replace(/\b[a-z]$/, (letter) => `Key${letter.toUpperCase()}`);
}
