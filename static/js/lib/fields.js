const TEXT = "input:not([type=checkbox], [type=radio], [type=button], [type=submit], [type=reset], [type=file])";

// Whether a key that is pressed in it writes or chooses something.
export const isField = (element) =>
  Boolean(element?.isContentEditable || element?.matches?.(`${TEXT}, textarea, select, [role=textbox]`));

// In Safari only this number marks the Enter that ends a Japanese, Chinese or Korean composition.
export const isComposing = (event) => event.isComposing || event.keyCode === 229;
