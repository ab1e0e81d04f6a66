// In the page's language, on the reader's own clock of 12 or 24 hours.

const { lang } = document.documentElement;
const language = navigator.languages.find((name) => name.split("-")[0] === lang) ?? lang;
const { hourCycle } = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions();
const written = (options) => new Intl.DateTimeFormat(language, options);

const hour = hourCycle === "h12" || hourCycle === "h11" ? "numeric" : "2-digit"; // 4:48 PM, but 04:48
const clock = written({ hour, minute: "2-digit", hourCycle });
const day = written({ weekday: "long", day: "numeric", month: "long" });
const dayOfYear = written({ day: "numeric", month: "long", year: "numeric" });
const shortDay = written({ day: "numeric", month: "short" });
const full = written({ dateStyle: "full", timeStyle: "short", hourCycle });

export const clockTime = (date) => clock.format(date);
export const fullTime = (date) => full.format(date);
export const shortDate = (date) => shortDay.format(date);
export const isSameDay = (one, other) => one.toDateString() === other.toDateString();

export function dayName(date, now = new Date()) {
  const yesterday = new Date(now);
  yesterday.setDate(now.getDate() - 1);
  if (isSameDay(date, now)) return "Today";
  if (isSameDay(date, yesterday)) return "Yesterday";
  return (date.getFullYear() === now.getFullYear() ? day : dayOfYear).format(date);
}

export function moment(date, now = new Date()) {
  return isSameDay(date, now) ? clockTime(date) : shortDate(date);
}

export function ago(date, now = new Date()) {
  const minutes = Math.floor((now - date) / 60_000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h`;
  return shortDate(date);
}

export function duration(milliseconds) {
  const minutes = Math.floor(milliseconds / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

// Another browser may have named a zone that this one does not know.
export function timeIn(zone, now = new Date()) {
  try {
    return written({ hour, minute: "2-digit", hourCycle, timeZone: zone }).format(now);
  } catch {
    return zone;
  }
}
