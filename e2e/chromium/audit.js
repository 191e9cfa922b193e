// What is wrong with a page for people who cannot see it well, use no mouse, or hold it in one hand: an array of sentences.
// It reads what the browser computed, so it holds for the colour scheme and width that the window has now. The ratios are
// those of WCAG 2.2, level AA (1.4.3, 1.4.11, 2.5.8).
(() => {
  const problems = [];
  const say = (text) => problems.push(text);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const name = (element) => {
    const tag = element.tagName.toLowerCase();
    return `${tag} ${JSON.stringify((element.textContent || element.getAttribute('name') || '').trim().slice(0, 40))}`;
  };
  const visible = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && element.getClientRects().length > 0;

  // Colours, as [red, green, blue, opacity].
  const parse = (text) => {
    const numbers = text.match(/[\d.]+/g).map(Number);
    return [...numbers.slice(0, 3), numbers[3] ?? 1];
  };
  const over = (top, bottom) => [0, 1, 2].map((i) => top[i] * top[3] + bottom[i] * (1 - top[3])).concat(1);
  const canvas = matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
  const background = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((bottom, top) => over(top, bottom), canvas);
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  const atLeast = (least, what, a, b) => {
    const ratio = contrast(a, b);
    if (ratio < least) say(`${what} has a contrast of ${ratio.toFixed(2)}, below ${least}`);
  };

  // The document.
  if (!document.documentElement.lang) say('the document names no language');
  if (!document.title.trim()) say('the document has no title');
  if (document.compatMode !== 'CSS1Compat') say('the document is in quirks mode');
  if (all('main').length !== 1) say('there is not exactly one main landmark');
  if (/user-scalable\s*=\s*no|maximum-scale/.test(document.querySelector('meta[name=viewport]')?.content ?? 'user-scalable=no')) {
    say('the page cannot be zoomed');
  }
  const levels = all('h1, h2, h3, h4, h5, h6').map((h) => Number(h.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) say('there is not exactly one h1');
  levels.forEach((level, i) => {
    if (level > (levels[i - 1] ?? 0) + 1) say(`a heading of level ${level} follows one of level ${levels[i - 1] ?? 0}`);
  });
  const ids = all('[id]').map((e) => e.id);
  if (new Set(ids).size !== ids.length) say('an id is there twice');
  for (const e of all('[aria-labelledby], [aria-describedby]')) {
    for (const id of `${e.getAttribute('aria-labelledby') ?? ''} ${e.getAttribute('aria-describedby') ?? ''}`.split(/\s+/).filter(Boolean)) {
      if (!ids.includes(id)) say(`${name(e)} refers to the id ${id}, which is not there`);
    }
  }
  for (const e of all('img')) if (!e.hasAttribute('alt')) say('an image has no alternative text');
  for (const e of all('[tabindex]')) if (e.tabIndex > 0) say(`${name(e)} changes the order of focus`);
  for (const e of all('[autofocus]')) say(`${name(e)} takes the focus by itself`);

  // What can be used.
  for (const e of all('a[href], button, input:not([type=hidden]), select, textarea')) {
    const label = e.getAttribute('aria-label') || e.textContent.trim() || [...(e.labels ?? [])].map((l) => l.textContent.trim()).join(' ');
    if (!label) say(`${name(e)} has no label`);
    const box = (e.labels?.[0] ?? e).getBoundingClientRect();
    if (box.width < 24 || box.height < 24) say(`${name(e)} is ${Math.round(box.width)} by ${Math.round(box.height)} pixels, too small to hit`);
    const style = getComputedStyle(e);
    const ground = background(e.parentElement);
    if (e.matches('button, .button') && contrast(background(e), ground) < 3) {
      atLeast(3, `the edge of ${name(e)}`, over(parse(style.borderTopColor), ground), ground);
    }
  }

  // Where the focus goes: down the page, and along a line, as people read.
  const stops = all('a[href], button, input:not([type=hidden]), select, textarea').filter(visible);
  stops.forEach((e, i) => {
    if (i === 0) return;
    const [from, to] = [stops[i - 1], e].map((stop) => stop.getBoundingClientRect());
    if (to.bottom <= from.top || (to.top < from.bottom && to.left < from.left)) say(`the focus jumps back from ${name(stops[i - 1])} to ${name(e)}`);
  });

  // What has the focus, if the keyboard gave it to anything.
  const focused = document.activeElement;
  if (focused && focused !== document.body && focused.matches(':focus-visible')) {
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(focused);
    if (outlineStyle === 'none' || parseFloat(outlineWidth) < 2) say(`${name(focused)} does not show that it has the focus`);
    else atLeast(3, `the focus of ${name(focused)}`, parse(outlineColor), background(focused.parentElement));
  }

  // What can be read.
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !visible(e) || e.closest('style, script')) continue;
    const ground = background(e);
    atLeast(4.5, `the text ${JSON.stringify(texts.currentNode.data.trim().slice(0, 40))}`, over(parse(getComputedStyle(e).color), ground), ground);
  }

  // What does not fit.
  const page = document.scrollingElement;
  if (page.scrollWidth > page.clientWidth) say(`the page is ${page.scrollWidth} pixels wide where ${page.clientWidth} are visible`);
  for (const e of all('main *')) {
    if (visible(e) && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'hidden') say(`${name(e)} is cut off`);
  }
  return problems;
})()
