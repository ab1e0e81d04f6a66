// A short sound. Browsers allow one only after somebody has clicked or pressed a key on the page.
const NOTES = [
  { at: 0, pitch: 660 },
  { at: 0.14, pitch: 880 },
];
const LASTS = 0.35;
const LOUDNESS = 0.2;

let context = null;

function unlock() {
  if (!window.AudioContext) return;
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume();
}

// Resolves to whether it can be heard.
export async function play() {
  if (context?.state === "suspended") await context.resume().catch(() => null);
  if (context?.state !== "running") return false;
  for (const { at, pitch } of NOTES) sound(context.currentTime + at, pitch);
  document.dispatchEvent(new CustomEvent("alerts:sounded"));
  return true;
}

function sound(start, pitch) {
  const loudness = new GainNode(context, { gain: 0 });
  loudness.gain.setValueAtTime(0, start);
  loudness.gain.linearRampToValueAtTime(LOUDNESS, start + 0.02);
  loudness.gain.exponentialRampToValueAtTime(0.001, start + LASTS);
  const tone = new OscillatorNode(context, { frequency: pitch });
  tone.connect(loudness).connect(context.destination);
  tone.start(start);
  tone.stop(start + LASTS);
}

for (const name of ["pointerdown", "keydown"])
  document.addEventListener(name, unlock, { capture: true, passive: true });
