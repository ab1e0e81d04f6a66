// The words that scripts write, in the language of the page, which brings them along.

const words = JSON.parse(document.querySelector("[data-words]").dataset.words);

const { lang } = document.documentElement;
// The reader's own region, where it has the page's language. Digits as the server writes them.
export const locale = `${navigator.languages.find((name) => name.split("-")[0] === lang) ?? lang}-u-nu-latn`;
const plurals = new Intl.PluralRules(lang);
const number = new Intl.NumberFormat(locale);

const list = new Intl.ListFormat(locale, { type: "unit" });

export const listed = (parts) => list.format(parts); // "one, another"
export const formatNumber = (value) => number.format(value);

// `%(name)s` in a word is filled in with the value of that name.
export const word = (name, values = {}) => fill(words[name], values);

// In the form that goes with the number.
export function countWord(name, count, values = {}) {
  const forms = words[name];
  return fill(forms[plurals.select(count)] ?? forms.other, { num: formatNumber(count), ...values });
}

export const fill = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
