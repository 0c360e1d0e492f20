// What is wrong with a page of many bodies (oracle.py): [the numbers of the articles that are there, [[number, what], ...]].
const [ALL, ALLOWED, OURS, LINKS, pictures, page, heads] = arguments;
const said = [];
const tell = (n, what) => { if (said.length < 50) said.push([n, String(what).slice(0, 300)]); };
if (window.ran !== undefined) tell(window.ran, 'a script ran');
if (document.title !== 'Batch') tell(0, 'the title is ' + document.title);
if (document.scripts.length || document.styleSheets.length > 1) tell(0, 'scripts or style sheets of a stranger');
const articles = [...document.querySelectorAll('body > article[data-n]')];
if (articles.length !== document.querySelectorAll('article[data-n]').length) tell(0, 'articles within others');
for (const e of document.body.children)
  if (!(e.localName === 'article' && e.dataset.n))
    tell(e.previousElementSibling?.dataset.n ?? 0, 'broke out: ' + e.outerHTML);
if (document.querySelectorAll('head > *').length !== heads) tell(0, 'something in the head');
for (const node of document.body.childNodes)
  if (node.nodeType !== 1 && node.data.trim()) tell(0, 'text outside: ' + node.data.trim());
const still = (n, e) => {
  const s = getComputedStyle(e), wrong = [];
  if (!['static'].includes(s.position)) wrong.push('position ' + s.position);
  for (const p of ['transform', 'translate', 'scale', 'rotate', 'backgroundImage', 'listStyleImage', 'borderImageSource',
                   'maskImage', 'filter', 'backdropFilter', 'clipPath', 'animationName', 'offsetPath', 'shapeOutside'])
    if (s[p] && s[p] !== 'none') wrong.push(p + ' ' + s[p]);
  if (/url|image/.test(s.cursor + s.content)) wrong.push('cursor or content');
  if (s.zIndex !== 'auto') wrong.push('z-index ' + s.zIndex);
  if (['marginTop', 'marginLeft', 'marginRight', 'marginBottom', 'textIndent'].some(p => parseFloat(s[p]) < 0)) wrong.push('negative');
  if (/url\(|image-set|gradient|src\(|\\|@/i.test(e.style.cssText)) wrong.push('style ' + e.style.cssText);
  if (wrong.length) tell(n, e.localName + ': ' + wrong.join(', '));
};
const judge = (n, e, list, all) => {
  if (e.namespaceURI !== 'http://www.w3.org/1999/xhtml') return tell(n, 'of another namespace: ' + e.nodeName);
  const own = list[e.localName];
  if (own === undefined) return tell(n, 'element ' + e.outerHTML);
  for (const a of e.attributes)
    if (!(own + ' ' + all).split(' ').includes(a.name)) tell(n, 'attribute ' + a.name + ' of ' + e.localName);
  if (e.id && page && !e.id.startsWith('m-')) tell(n, 'id ' + e.id);
  if (e.hasAttribute('href') && !LINKS.includes(e.protocol) && !e.getAttribute('href').startsWith('#'))
    tell(n, 'link ' + e.getAttribute('href'));
  if (e.localName === 'img' && e.hasAttribute('src')) {
    const src = e.getAttribute('src');
    const ok = /^data:image\/(png|jpe?g|gif|webp|bmp|x-icon);base64,/i.test(src) || (pictures && /^https?:\/\//i.test(src))
            || (pictures === 'sent' && /^cid:/.test(src));
    if (!ok) tell(n, 'picture ' + src);
  }
  if (e.shadowRoot || e.content) tell(n, 'a tree behind ' + e.localName);
  if (all) still(n, e);
};
// The first line end of a pre is lost in writing and reading (HTML 13.3, its second warning).
const spelled = e => e.innerHTML.replace(/(<pre[^>]*>)\n+/g, '$1');
for (const article of articles) {
  const n = article.dataset.n;
  article.querySelectorAll('details').forEach(d => d.open = true);
  if (!page) { article.querySelectorAll('*').forEach(e => { if (e.className !== 'end') judge(n, e, ALLOWED, ALL); }); continue; }
  const mains = article.querySelectorAll(':scope > main.message');
  if (mains.length !== 1) { tell(n, 'message boxes: ' + mains.length); continue; }
  const main = mains[0], box = main.getBoundingClientRect(), style = getComputedStyle(main);
  if (!/paint/.test(style.contain) || !/layout/.test(style.contain) || style.position !== 'static') tell(n, 'the box is open');
  if (box.right > innerWidth) tell(n, 'the box is wider than the window');
  for (const e of article.children)
    if (e !== main && !['SECTION', 'HEADER', 'I'].includes(e.tagName)) tell(n, 'beside the message: ' + e.outerHTML);
  if (article.lastElementChild.className !== 'end') tell(n, 'its end is not its end');
  for (const e of article.querySelectorAll('*')) {
    if (e.className === 'end') continue;
    const inside = e.closest('div.fit') && e.className !== 'fit' &&
      !(e.matches('div.fit > details.history, div.fit > details.history > summary:first-child, div.text'));
    if (inside) judge(n, e, ALLOWED, ALL); else judge(n, e, OURS, '');
  }
  const fit = main.firstElementChild;
  if (main.children.length !== 1 || fit.className !== 'fit') tell(n, 'left its frame');
  const again = fit.cloneNode(false);
  again.innerHTML = fit.innerHTML;
  if (spelled(again) !== spelled(fit)) tell(n, 'reads differently the second time: ' + fit.innerHTML);
  for (const e of article.querySelectorAll(':scope > header > h1, :scope > .cell, :scope > .files, :scope > .card, :scope > .notice')) {
    e.scrollIntoView();
    const r = e.getBoundingClientRect(), top = document.elementFromPoint(r.left + 4, r.top + 4);
    if (r.height > 1 && !(top && (e.contains(top) || top.contains(e)))) tell(n, 'something lies over ' + e.className + ': ' + top?.outerHTML);
  }
}
if (window.ran !== undefined) tell(window.ran, 'a script ran late');
return [articles.map(a => a.dataset.n), said];
