// In the page's language, on the reader's own clock of 12 or 24 hours.

import { locale } from "./words.js";

const { hourCycle } = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions();
const written = (options) => new Intl.DateTimeFormat(locale, options);

const hour = hourCycle === "h12" || hourCycle === "h11" ? "numeric" : "2-digit"; // 4:48 PM, but 04:48
const clock = written({ hour, minute: "2-digit", hourCycle });
const day = written({ weekday: "long", day: "numeric", month: "long" });
const dayOfYear = written({ day: "numeric", month: "long", year: "numeric" });
const shortDay = written({ day: "numeric", month: "short" });
const shortDayOfYear = written({ day: "numeric", month: "short", year: "numeric" });
const stamped = written({ dateStyle: "medium", timeStyle: "short", hourCycle });
const full = written({ dateStyle: "full", timeStyle: "short", hourCycle });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }); // "yesterday", not "1 day ago"
const inUnit = (count, unit) =>
  new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short" }).format(count);
const capitalized = (text) => text.replace(/^./u, (letter) => letter.toLocaleUpperCase(locale));

export const clockTime = (date) => clock.format(date);
export const fullTime = (date) => full.format(date);
export const stamp = (date) => stamped.format(date);
export const shortDate = (date, now = new Date()) =>
  (date.getFullYear() === now.getFullYear() ? shortDay : shortDayOfYear).format(date);
export const isSameDay = (one, other) => one.toDateString() === other.toDateString();

export function dayName(date, now = new Date()) {
  const yesterday = new Date(now);
  yesterday.setDate(now.getDate() - 1);
  if (isSameDay(date, now)) return capitalized(relative.format(0, "day"));
  if (isSameDay(date, yesterday)) return capitalized(relative.format(-1, "day"));
  return (date.getFullYear() === now.getFullYear() ? day : dayOfYear).format(date);
}

export function moment(date, now = new Date()) {
  return isSameDay(date, now) ? clockTime(date) : shortDate(date, now);
}

export function ago(date, now = new Date()) {
  const minutes = Math.floor((now - date) / 60_000);
  if (minutes < 1) return relative.format(0, "second");
  return minutes < 24 * 60 ? duration(now - date) : shortDate(date, now);
}

export function duration(milliseconds) {
  const minutes = Math.floor(milliseconds / 60_000);
  if (minutes < 60) return inUnit(minutes, "minute");
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? inUnit(hours, "hour") : inUnit(Math.floor(hours / 24), "day");
}

const inLongUnit = (count, unit) =>
  new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(count);

// How long to wait: in seconds up to a minute and a half, else in minutes, as `in_words` in web/sentences.py.
export function waitOf(milliseconds) {
  const seconds = Math.max(1, Math.ceil(milliseconds / 1000));
  return seconds < 90 ? inLongUnit(seconds, "second") : inLongUnit(Math.ceil(seconds / 60), "minute");
}

// How long ago, for whoever watches the seconds.
export const since = (seconds) =>
  seconds < 60 ? relative.format(-seconds, "second") : relative.format(-Math.floor(seconds / 60), "minute");

// Another browser may have named a zone that this one does not know.
export function timeIn(zone, now = new Date()) {
  try {
    return written({ hour, minute: "2-digit", hourCycle, timeZone: zone }).format(now);
  } catch {
    return zone;
  }
}
