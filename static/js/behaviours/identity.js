// Who the customer is, as their site has signed it. The desk says at data-identity where it wants to know.
import { post } from "../lib/http.js";
import { messageList } from "../lib/messages.js";
import { pause } from "../lib/timing.js";
import { forget } from "./forget.js";
import { stayWhile } from "./live.js";

const AGAIN_AFTER = 5000;

const page = document.querySelector("[data-identity]");
const said = (values) => post(page.dataset.identity, new URLSearchParams(values)).catch(() => null);

let naming = null;
let isLeaving = false;

// Resolves to whether the desk knows them now. Until it has answered, nothing is shown: the chat may be somebody else's.
export async function identify(token) {
  if (!page || isLeaving) return false;
  cover(true);
  naming = stayWhile(said({ token }));
  const answer = await naming;
  if (isLeaving) return false;
  if (answer?.status === 409) {
    if (!isQuestion()) window.location.replace(page.dataset.identity);
    else offer(token);
    return false;
  }
  if (!answer?.ok) {
    cover(false);
    return false;
  }
  const { moved, has_chat: hasChat } = await answer.json();
  if (isQuestion()) window.location.replace(page.dataset.chat);
  else if (moved && (hasChat || messageList())) window.location.reload();
  else {
    page.toggleAttribute("data-known", true);
    cover(false);
  }
  return true;
}

// Nothing of the chat is left in this browser then. What the desk has not answered yet would give it another key.
export async function leave() {
  if (isLeaving) return;
  isLeaving = true;
  cover(true);
  forget();
  await naming;
  const answer = await post(page.dataset.leave).catch(() => null);
  if (!answer?.ok) await pause(AGAIN_AFTER); // the page around asks again
  window.location.reload();
}

const isQuestion = () => page.hasAttribute("data-identity-asks");

function cover(isCovered) {
  document.documentElement.toggleAttribute("data-identifying", isCovered);
}

function offer(token) {
  cover(false);
  const button = page.querySelector("[data-identity-replace]");
  button.disabled = false;
  button.onclick = async () => {
    const answer = await stayWhile(said({ token, replace: "1" }));
    if (answer?.ok) window.location.replace(page.dataset.chat);
    else document.getElementById("identity-failed").hidden = false;
  };
}
