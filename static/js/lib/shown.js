// Whether an element can be seen, also in browsers of 2023, of which some cannot say it themselves.
export const isShown = (element) => element.checkVisibility?.() ?? element.getClientRects().length > 0;
