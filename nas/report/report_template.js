'use strict';
// A page that fails says so, instead of staying empty.
window.addEventListener('error', (event) => {
  const failure = document.getElementById('failure');
  failure.hidden = false;
  failure.textContent += `This page's script failed: ${event.message}. `;
});

(() => {
const data = JSON.parse(document.getElementById('data').textContent);
const $ = (id) => document.getElementById(id);

// ---- Elements -----------------------------------------------------------------------------------

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const html = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
const text = (x, y, anchor, content, more = {}) =>
  svg('text', {x, y, 'text-anchor': anchor, ...more}, content);
const line = (x1, y1, x2, y2, kind) => svg('line', {x1, y1, x2, y2, class: kind});

// ---- Numbers ------------------------------------------------------------------------------------

const superscript = (n) => String(n).replace(/[-\d]/g, (c) => c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[c]);

function short(value, digits = 3) {
  if (value === null || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1e15) {
    const power = Math.floor(Math.log10(size));
    return `${Number((value / 10 ** power).toPrecision(digits))}×10${superscript(power)}`;
  }
  for (const [unit, name] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']])
    if (size >= unit && !(unit === 1e3 && size < 1e4))
      return Number((value / unit).toPrecision(digits)) + name;
  return String(Number(value.toPrecision(Math.max(digits, 4))));
}
// Enough digits to see a small difference.
function full(name, value) {
  if (value === null) return '–';
  if (name === 'perplexity') return value.toFixed(3);
  if (name === 'energy') return `${Number((value * 1e-6).toPrecision(5))} µJ`;
  if (value < 1e9) return Math.round(value).toLocaleString('en-US');
  return short(value, 5);
}
const microjoules = (value) => (value * 1e-6).toFixed(2);
const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`;
const counted = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

// ---- Networks -----------------------------------------------------------------------------------

const names = data.objectives.map((objective) => objective.name);
const networks = data.candidates.map(([id, generation, width, layers, seen]) =>
  ({id, generation, width, layers, seen, confirmed: null, operators: null, kind: 'other', marks: []}));
const byId = new Map(networks.map((network) => [network.id, network]));
const enlist = (kind) => (entry) => Object.assign(byId.get(entry.id), entry, {kind});
const members = data.members.map(enlist('front'));
const dropped = data.dropped.map(enlist('dropped'));
for (const each of data.named) byId.get(each.id).marks.push(each);

let showConfirmed = data.confirmation !== null;
let selected = null;
const valueOf = (network, index) =>
  (showConfirmed && network.confirmed ? network.confirmed : network.seen)[index];

// What a perplexity is per word and in bits per byte, where the text has words.
const units = data.text === null ? [] : [
  {name: 'per word', of: (perplexity) => perplexity ** data.text.tokens_per_word,
   show: (value) => Number.isFinite(value) ? value.toFixed(2) : '–'},
  {name: 'bits per byte', of: (perplexity) => Math.log2(perplexity) / data.text.bytes_per_token,
   show: (value) => value.toFixed(4)}];

// An objective as what stands in tables: itself, and a perplexity in its other units.
function quantitiesOf(index) {
  const name = names[index];
  const more = name !== 'perplexity' ? [] : units.map((unit) => ({...unit, of: (values) => unit.of(values[index])}));
  return [{name, of: (values) => values[index], show: (value) => full(name, value)}, ...more];
}

function describe(network) {
  const heads = network.layers.map(([h]) => h).join(' ');
  const widths = network.layers.map(([, f]) => f).join(' ');
  return `width ${network.width}, ${counted(network.layers.length, 'layer')}: heads ${heads}, FFN ${widths}`;
}

// ---- Scales and axes ----------------------------------------------------------------------------

// Values to positions; logarithmic when `mayBeLog` and the range is more than fivefold.
function scaleOf(values, from, to, mayBeLog) {
  let low = Math.min(...values), high = Math.max(...values);
  const log = mayBeLog && low > 0 && high > 5 * low;
  const map = (value) => log ? Math.log10(value) : value;
  [low, high] = [map(low), map(high)];
  const margin = high > low ? 0.04 * (high - low) : 0.5;
  [low, high] = [low - margin, high + margin];
  const at = (value) => from + (map(value) - low) / (high - low) * (to - from);
  return {at, ticks: log ? logTicks(low, high) : linearTicks(low, high, Math.abs(to - from))};
}
function logTicks(low, high) {
  const digits = high - low > 3 ? [1] : high - low > 1.5 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(low); power <= high; ++power)
    for (const digit of digits) {
      const value = digit * 10 ** power;
      if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push(value);
    }
  return ticks;
}
function linearTicks(low, high, length) {
  const raw = (high - low) / Math.max(2, length / 70);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((digit) => digit * power >= raw) * power;
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; ++k) ticks.push(k * step);
  return ticks;
}

// Grid, numbers and names of a plot whose inner box is {left, right, top, bottom}.
function drawAxes(plot, box, x, y, xName, yName) {
  for (const tick of x.ticks) {
    plot.append(line(x.at(tick), box.top, x.at(tick), box.bottom, 'grid'),
                text(x.at(tick), box.bottom + 18, 'middle', short(tick)));
  }
  for (const tick of y.ticks) {
    plot.append(line(box.left, y.at(tick), box.right, y.at(tick), 'grid'),
                text(box.left - 8, y.at(tick) + 4, 'end', short(tick)));
  }
  plot.append(line(box.left, box.bottom, box.right, box.bottom, 'axis'),
              line(box.left, box.top, box.left, box.bottom, 'axis'),
              text((box.left + box.right) / 2, box.bottom + 38, 'middle', xName),
              text(box.left, box.top - 10, 'start', yName));
}

// Empties `plot` and gives it the width of its place on the page; returns the inner box.
function clear(plot, share, highest) {
  const width = Math.max(280, plot.parentElement.clientWidth - 36);
  const height = Math.min(highest, Math.max(300, share * width));
  plot.replaceChildren();
  plot.setAttribute('viewBox', `0 0 ${width} ${height}`);
  return {left: 52, right: width - 10, top: 26, bottom: height - 46};
}

// ---- The front ----------------------------------------------------------------------------------

const chart = $('chart');
const axes = {x: names.indexOf(data.chosen[1]), y: names.indexOf(data.chosen[0])};
let places = [];  // {network, x, y} on the screen
let marker = null;

// Between two members of a front of two objectives nothing better is known.
function staircase(x, y) {
  const isFront = data.chosen.length === 2 && data.chosen.includes(names[axes.x]) &&
    data.chosen.includes(names[axes.y]) && axes.x !== axes.y;
  if (!isFront || members.length === 0) return '';
  const corners = members.map((m) => [x.at(valueOf(m, axes.x)), y.at(valueOf(m, axes.y))]);
  corners.sort((a, b) => a[0] - b[0]);
  return corners.map(([px, py], i) => i === 0 ? `M${px},${py}` : `H${px}V${py}`).join('');
}

function drawFront() {
  const box = clear(chart, 0.66, 560);
  const all = (index) => networks.map((network) => valueOf(network, index));
  const x = scaleOf(all(axes.x), box.left, box.right, true);
  const y = scaleOf(all(axes.y), box.bottom, box.top, true);
  drawAxes(chart, box, x, y, data.objectives[axes.x].label, '↑ ' + data.objectives[axes.y].label);
  places = networks.map((network) =>
    ({network, x: x.at(valueOf(network, axes.x)), y: y.at(valueOf(network, axes.y))}));
  const generations = Math.max(...networks.map((network) => network.generation)) + 1;
  const draw = (kind, radius, more) => {
    for (const place of places.filter((each) => each.network.kind === kind))
      chart.append(svg('circle', {cx: place.x, cy: place.y, r: radius, ...more(place.network)}));
  };
  draw('other', 2.3, (network) => (
    {class: 'dot', 'fill-opacity': (0.15 + 0.45 * (network.generation + 1) / generations).toFixed(2)}));
  chart.append(svg('path', {class: 'stairs', d: staircase(x, y)}));
  draw('dropped', 4, (network) => ({class: 'dropped', 'data-id': network.id}));
  draw('front', 4.2, (network) => ({class: 'member', 'data-id': network.id}));
  nameMembers(box);
  marker = svg('circle', {class: 'chosen', r: 11, visibility: 'hidden'});
  chart.append(marker);
  placeMarker();
}

// Rings around the members that stand out, and their names, each below those it would overlap.
function nameMembers(box) {
  const taken = [];
  for (const {network, x, y} of places.filter((place) => place.network.marks.length > 0)) {
    const toRight = x < box.left + 120;
    let height = toRight ? y - 8 : y + 18;
    while (taken.some((other) => Math.abs(other.x - x) < 120 && Math.abs(other.height - height) < 14)) height += 4;
    taken.push({x, height});
    chart.append(svg('circle', {class: 'ring', cx: x, cy: y, r: 8}),
                 text(toRight ? x + 11 : x - 9, height, toRight ? 'start' : 'end',
                      network.marks.map((mark) => mark.name).join(', '), {class: 'name'}));
  }
}

function placeMarker() {
  const place = places.find((each) => each.network === selected);
  marker.setAttribute('visibility', place ? 'visible' : 'hidden');
  if (place) fill(marker, {cx: place.x, cy: place.y}, []);
}

// The network under the pointer; members of the front are easier to hit than the others.
function nearest(event) {
  const frame = chart.getBoundingClientRect();
  const scale = chart.viewBox.baseVal.width / frame.width;
  const px = (event.clientX - frame.left) * scale, py = (event.clientY - frame.top) * scale;
  let best = null, least = 22;
  for (const {network, x, y} of places) {
    const distance = Math.hypot(x - px, y - py) + (network.kind === 'other' ? 6 : 0);
    if (distance < least) [best, least] = [network, distance];
  }
  return best;
}

function valueTable(network, wanted) {
  const confirmed = network.confirmed !== null;
  const head = html('tr', {}, html('th', {}, ''), html('th', {}, confirmed ? 'search' : 'value'));
  if (confirmed) head.append(html('th', {}, 'confirmed'), html('th', {}, 'change'));
  const body = html('tbody');
  for (const {name, of, show} of wanted.flatMap(quantitiesOf)) {
    const seen = of(network.seen);
    const row = html('tr', {}, html('td', {}, name), html('td', {}, show(seen)));
    if (confirmed) {
      const now = of(network.confirmed);
      const change = now / seen - 1;
      row.append(html('td', {}, show(now)),
                 html('td', {class: 'muted'}, now === seen ? '' : (change > 0 ? '+' : '') + percent(change)));
    }
    body.append(row);
  }
  return html('table', {}, html('thead', {}, head), body);
}

function showTooltip(network, event) {
  const tip = $('tooltip');
  tip.hidden = network === null;
  if (network === null) return;
  const shown = [...new Set([axes.y, axes.x, ...data.chosen.map((name) => names.indexOf(name))])];
  tip.replaceChildren(html('div', {class: 'id muted'}, network.id), html('div', {}, describe(network)),
                      valueTable(network, shown));
  const room = document.documentElement.clientWidth - tip.offsetWidth - 12;
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 16, room)) + window.scrollX}px`;
  tip.style.top = `${event.clientY + 18 + window.scrollY}px`;
}

chart.addEventListener('pointermove', (event) => showTooltip(nearest(event), event));
chart.addEventListener('pointerleave', () => showTooltip(null));
chart.addEventListener('click', (event) => {
  const network = nearest(event);
  if (network) choose(network);
});
chart.addEventListener('keydown', (event) => {
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  if (!step || members.length === 0) return;
  event.preventDefault();
  const along = [...members].sort((a, b) => valueOf(a, axes.x) - valueOf(b, axes.x));
  const at = along.indexOf(selected);
  choose(along[at < 0 ? 0 : Math.min(along.length - 1, Math.max(0, at + step))]);
});

// ---- One network --------------------------------------------------------------------------------

const groups = [['projections', /^attention\.(qkv|output)$/], ['scores, context', /^attention\.(scores|context)$/],
                ['softmax', /softmax/], ['FFN', /^ffn\.(up|gelu|down)$/],
                ['norms, residuals', /norm|residual/], ['embedding, LM head', /./]];
const groupOf = (role) => groups.findIndex(([, pattern]) => pattern.test(role));
let quantity = 0;  // of operators: 0 latency, 1 energy
const quantities = [data.latency_unit, 'energy'];

// A row per layer, the last one on top: heads as squares, the FFN as a bar, out of what the space
// has; below them the model width.
function drawLayers(network) {
  const width = 330, row = 30, left = 26, most = data.largest;
  const head = Math.min(22, 120 / most.heads);
  const ffn = Math.max(106, left + head * most.heads + 18), numbers = 40;
  const depth = network.layers.length;
  const picture = svg('svg', {viewBox: `0 0 ${width} ${row * (depth + 1) + 26}`, class: 'plot', role: 'img',
                              'aria-label': describe(network)});
  const bar = (x, y, share, colour, value) => {
    const room = width - numbers - x;
    picture.append(svg('rect', {x, y, width: room, height: 22, rx: 3, fill: 'var(--soft)'}),
                   svg('rect', {x, y, width: room * share, height: 22, rx: 3, fill: colour}),
                   text(width - 4, y + 15, 'end', value, {class: 'number'}));
  };
  picture.append(text(left, 12, 'start', 'heads'), text(ffn, 12, 'start', 'FFN width'));
  network.layers.forEach(([heads, wide], layer) => {
    const y = 20 + row * (depth - 1 - layer);
    picture.append(text(left - 10, y + 15, 'end', layer + 1));
    for (let h = 0; h < most.heads; ++h)
      picture.append(svg('rect', {x: left + h * head, y, width: head - 3, height: 22, rx: 3,
                                  fill: h < heads ? 'var(--c0)' : 'var(--soft)'}));
    bar(ffn, y, wide / most.ffn_width, 'var(--c3)', wide);
  });
  const y = 24 + row * depth;
  picture.append(text(left, y + 15, 'start', 'model width'));
  bar(ffn, y, network.width / most.model_width, 'var(--c5)', network.width);
  return picture;
}

// A bar per layer, cut by kind of operator; pointing at a piece names it.
function drawCosts(network) {
  const layers = [...new Set(network.operators.map(([, layer]) => layer))].sort((a, b) => b - a);
  const cost = (operator) => operator[2 + quantity];
  const of = (layer) => network.operators.filter((operator) => operator[1] === layer);
  const sum = (list) => list.reduce((total, operator) => total + cost(operator), 0);
  const most = Math.max(...layers.map((layer) => sum(of(layer))));
  const width = 330, left = 44, row = 26;
  const picture = svg('svg', {viewBox: `0 0 ${width} ${row * layers.length}`, class: 'plot', role: 'img',
                              'aria-label': `${quantities[quantity]} per layer and operator`});
  layers.forEach((layer, index) => {
    const y = row * index;
    let x = left;
    picture.append(text(left - 8, y + 15, 'end', layer < 0 ? 'ends' : `layer ${layer + 1}`, {style: 'font-size:11px'}));
    const sorted = of(layer).sort((a, b) => groupOf(data.roles[a[0]]) - groupOf(data.roles[b[0]]));
    for (const operator of sorted) {
      const role = data.roles[operator[0]];
      const wide = (width - left - 4) * cost(operator) / most;
      picture.append(svg('rect', {x, y: y + 1, width: Math.max(0, wide), height: row - 6, class: 'operator',
                                  fill: `var(--c${groupOf(role)})`},
                         svg('title', {}, `${role}, ${layer < 0 ? 'outside the layers' : `layer ${layer + 1}`}: ` +
                             `${full('latency', operator[2])} ${data.latency_unit}, ${full('energy', operator[3])}`)));
      x += wide;
    }
  });
  return picture;
}

function roleTable(network) {
  const totals = data.roles.map((role) => ({role, cost: [0, 0]}));
  for (const [role, , cycles, energy] of network.operators) {
    totals[role].cost[0] += cycles;
    totals[role].cost[1] += energy;
  }
  const all = [0, 1].map((which) => totals.reduce((sum, each) => sum + each.cost[which], 0));
  const body = html('tbody');
  for (const {role, cost} of totals.filter((each) => each.cost[0] + each.cost[1] > 0))
    body.append(html('tr', {}, html('td', {}, role),
                     html('td', {}, full('latency', cost[0])), html('td', {class: 'muted'}, percent(cost[0] / all[0], 1)),
                     html('td', {}, microjoules(cost[1])), html('td', {class: 'muted'}, percent(cost[1] / all[1], 1))));
  body.append(html('tr', {}, html('td', {}, html('b', {}, 'together')), html('td', {}, full('latency', all[0])),
                   html('td'), html('td', {}, microjoules(all[1])), html('td')));
  const head = html('tr', {}, ...['operator', data.latency_unit, '', 'µJ', ''].map((name) => html('th', {}, name)));
  return html('div', {class: 'scroll roles'}, html('table', {}, html('thead', {}, head), body));
}

function operatorCosts(network) {
  const part = html('div', {id: 'operators'});
  if (!network.operators) {
    part.append(html('p', {class: 'muted small'}, 'Costs of single operators are kept for members of the front.'));
    return part;
  }
  const buttons = quantities.map((name, index) => {
    const button = html('button', {type: 'button', 'aria-pressed': index === quantity}, name);
    button.addEventListener('click', () => { quantity = index; showDetail(); });
    return button;
  });
  const used = new Set(network.operators.map(([role]) => groupOf(data.roles[role])));
  part.append(html('div', {class: 'controls'}, ...buttons), drawCosts(network),
              legend(groups.map(([name], index) => [name, `var(--c${index})`]).filter((_, index) => used.has(index))),
              roleTable(network));
  return part;
}

function statusOf(network) {
  const badges = [];
  if (network.kind === 'front') badges.push(html('span', {class: 'badge front'}, 'front'));
  for (const mark of network.marks) badges.push(html('span', {class: 'badge'}, mark.name));
  if (network.kind === 'dropped') badges.push(html('span', {class: 'badge'}, 'dropped: ', reasonOf(network)));
  if (network.kind === 'other') badges.push(html('span', {class: 'badge'}, 'not on the front'));
  badges.push(html('span', {class: 'badge'}, `generation ${network.generation}`));
  return html('p', {}, ...badges);
}

function reasonOf(network) {
  if (network.limit) return network.limit;
  return html('span', {}, 'dominated by ',
              html('a', {href: `#${network.dominated_by}`, class: 'id'}, network.dominated_by.slice(0, 8)));
}

function showDetail() {
  const panel = $('detail');
  panel.replaceChildren(html('h2', {}, 'Network ', html('span', {class: 'id', id: 'chosen-id'}, selected.id)),
                        statusOf(selected), html('h3', {}, 'Values'),
                        valueTable(selected, names.map((_, index) => index)),
                        html('h3', {}, 'Architecture'), drawLayers(selected),
                        html('h3', {}, 'Predicted cost of its operators'), operatorCosts(selected));
}

function choose(network, keepHash = false) {
  selected = network;
  if (!keepHash) history.replaceState(null, '', `#${network.id}`);
  placeMarker();
  showDetail();
  for (const row of document.querySelectorAll('tr[data-id]'))
    row.classList.toggle('chosen-row', row.dataset.id === network.id);
}

function chooseFromHash() {
  const network = byId.get(location.hash.slice(1));
  if (network) choose(network, true);
  return Boolean(network);
}

// ---- Tables of members --------------------------------------------------------------------------

function fillTable(table, list, more) {
  const shown = [...new Set([...data.chosen, 'latency', 'energy'])].flatMap((name) => quantitiesOf(names.indexOf(name)));
  const head = html('tr', {}, html('th', {}, 'id'), ...shown.map(({name}) => html('th', {}, name)),
                    html('th', {class: 'text'}, 'network'), html('th', {class: 'text'}, more.name));
  const body = html('tbody');
  for (const network of list) {
    const values = shown.map(({of, show}) => html('td', {}, show(of(network.confirmed || network.seen))));
    body.append(html('tr', {'data-id': network.id},
                     html('td', {}, html('a', {href: `#${network.id}`, class: 'id'}, network.id.slice(0, 8))),
                     ...values, html('td', {class: 'text'}, describe(network)),
                     html('td', {class: 'text'}, more.of(network))));
  }
  table.append(html('thead', {}, head), body);
}

function drawTables() {
  $('members-title').textContent = `${counted(members.length, 'member')} of the front, ` +
    (data.confirmation ? 'as confirmed' : 'as predicted');
  fillTable($('members'), members,
            {name: '', of: (network) => network.marks.map((mark) => mark.name).join(', ')});
  $('dropped-card').hidden = dropped.length === 0;
  if (dropped.length > 0) fillTable($('dropped'), dropped, {name: 'because', of: reasonOf});
  $('named-card').hidden = data.named.length === 0;
  for (const each of data.named) {
    const network = byId.get(each.id);
    const values = data.chosen.flatMap((name) => quantitiesOf(names.indexOf(name))).map(({name, of, show}) =>
      `${name} ${show(of(network.confirmed || network.seen))}`);
    $('named').append(html('a', {href: `#${each.id}`}, html('b', {}, each.name),
                           html('span', {class: 'muted small'}, each.text), html('br'), values.join(', ')));
  }
}

// ---- Curves -------------------------------------------------------------------------------------

function legend(entries) {
  return html('ul', {class: 'legend'}, ...entries.map(([name, colour]) => {
    const output = html('output');
    return html('li', {}, svg('svg', {viewBox: '0 0 16 12'}, svg('rect', {y: 2, width: 14, height: 8, rx: 2, fill: colour})),
                `${name} `, output);
  }));
}

// `points`: [x, a value per name...]; pointing at the plot reads the values there.
function drawCurves(card, points, curves, xName, yName) {
  const plot = card.querySelector('svg.plot') || card.appendChild(svg('svg', {class: 'plot', role: 'img', 'aria-label': yName}));
  const box = clear(plot, 0.72, 310);
  const values = points.flatMap((point) => point.slice(1)).filter((value) => value !== null);
  const x = scaleOf(points.map(([at]) => at), box.left, box.right, false);
  const y = scaleOf(values, box.bottom, box.top, false);
  drawAxes(plot, box, x, y, xName, '↑ ' + yName);
  const colours = curves.map((_, index) => `var(--c${curves.length === 1 ? 0 : index % 6})`);
  curves.forEach((_, index) => {
    const known = points.filter((point) => point[index + 1] !== null);
    plot.append(svg('polyline', {class: 'curve-line', stroke: colours[index],
                                 points: known.map((point) => `${x.at(point[0]).toFixed(1)},${y.at(point[index + 1]).toFixed(1)}`).join(' ')}));
  });
  const list = legend(curves.map((name, index) => [name, colours[index]]));
  (card.querySelector('.legend') || card.appendChild(html('ul'))).replaceWith(list);
  const cursor = line(0, box.top, 0, box.bottom, 'cursor');
  cursor.setAttribute('visibility', 'hidden');
  plot.append(cursor);
  plot.onpointermove = (event) => {
    const frame = plot.getBoundingClientRect();
    const at = (event.clientX - frame.left) * plot.viewBox.baseVal.width / frame.width;
    const point = points.reduce((a, b) => Math.abs(x.at(b[0]) - at) < Math.abs(x.at(a[0]) - at) ? b : a);
    fill(cursor, {x1: x.at(point[0]), x2: x.at(point[0]), visibility: 'visible'}, []);
    list.querySelectorAll('output').forEach((output, index) => { output.textContent = short(point[index + 1], 4); });
  };
}

function drawAllCurves() {
  const draw = (id, points, ...more) => {
    $(id).hidden = points.length === 0;
    if (points.length > 0) drawCurves($(id), points, ...more);
  };
  draw('hypervolume-card', data.hypervolume, ['share of the reference box'], 'networks evaluated', 'hypervolume');
  draw('training-card', data.training.points, data.training.names, 'training steps', 'loss (nats per token)');
  const gaps = data.convergence || {points: [], names: []};
  draw('convergence-card', gaps.points, gaps.names, 'training steps', 'validation loss above the largest network\'s');
}

// ---- The page -----------------------------------------------------------------------------------

function drawHeader() {
  $('title').textContent = `Search over ${data.title}`;
  document.title = `${data.title}: Paretoformer report`;
  const share = short(data.networks_in_space);
  $('subtitle').textContent = `${data.chosen.join(' against ')}, ${deviceText()}. ` +
    (data.confirmation ? confirmationText() : 'The front is as predicted: it is not confirmed yet.');
  const last = data.hypervolume[data.hypervolume.length - 1];
  const tiles = [['networks evaluated', networks.length.toLocaleString('en-US'), `of ${share}`],
                 ['on the front', members.length, dropped.length > 0 ? `${dropped.length} dropped` : ''],
                 ['hypervolume', last ? last[1].toFixed(4) : '–', 'of the reference box']];
  if (data.confirmation)
    for (const [name, mean, largest] of data.confirmation.errors)
      if (name !== 'perplexity')
        tiles.push([`predicted ${name} off by`, percent(mean), `at most ${percent(largest)}`]);
  for (const [name, value, note] of tiles)
    $('tiles').append(html('div', {}, html('dt', {}, name), html('dd', {}, `${value} `, html('small', {}, note))));
}

function deviceText() {
  const {array_size: size} = data.config.hardware;
  const {mode, sequence_length: length} = data.config.workload;
  return (data.device ? `on ${data.device}` : `on a ${size} × ${size} systolic array`) +
    `, ${mode} of ${counted(length, 'position')}`;
}

function confirmationText() {
  const {validation_tokens: tokens, unsimulated} = data.confirmation;
  return `Members are confirmed on the whole validation text (${tokens.toLocaleString('en-US')} tokens)` +
    (unsimulated ? `; their cost is the predicted one: ${unsimulated}.` : ' and by simulation of the whole network.');
}

function drawLegend() {
  const sign = (name, kind, radius) =>
    html('li', {}, svg('svg', {viewBox: '0 0 16 12'}, svg('circle', {cx: 8, cy: 6, r: radius, class: kind})), name);
  $('legend').append(sign('evaluated, as the search saw them, later ones darker', 'dot', 3),
                      sign('front', 'member', 4.5));
  if (dropped.length > 0) $('legend').append(sign('dropped when confirmed', 'dropped', 4));
}

for (const [id, axis] of [['axis-x', 'x'], ['axis-y', 'y']]) {
  data.objectives.forEach((objective, index) => $(id).append(html('option', {value: index}, objective.label)));
  $(id).value = axes[axis];
  $(id).addEventListener('change', (event) => { axes[axis] = Number(event.target.value); drawFront(); });
}
$('values-label').hidden = !data.confirmation;
$('values').addEventListener('change', (event) => { showConfirmed = event.target.value === 'confirmed'; drawFront(); });
$('config').textContent = JSON.stringify(data.config, null, 2);
$('provenance').textContent = JSON.stringify(data.provenance, null, 2);

drawHeader();
drawLegend();
drawTables();
drawFront();
drawAllCurves();
const first = data.named.length > 0 ? byId.get(data.named[0].id) : members[0] || networks[0];
if (!chooseFromHash() && first) choose(first, true);
window.addEventListener('hashchange', chooseFromHash);
window.addEventListener('resize', () => { drawFront(); drawAllCurves(); });
document.body.dataset.ready = 'true';
})();
