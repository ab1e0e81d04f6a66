const channel = "BroadcastChannel" in window ? new BroadcastChannel("supportchat") : null;

export const tellTabs = (what, value) => channel?.postMessage({ what, value });

export function hearTabs(what, callback) {
  channel?.addEventListener("message", ({ data }) => data.what === what && callback(data.value));
}
