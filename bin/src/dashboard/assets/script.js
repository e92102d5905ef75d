// Makes pages live. Without it they are complete, and as of when they were loaded.
(function () {
  'use strict';

  // ---- Times ----

  function span(seconds) {
    seconds = Math.max(0, Math.floor(seconds));
    var minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
    if (days > 0) return days + 'd ' + (hours % 24) + 'h';
    if (hours > 0) return hours + 'h ' + (minutes % 60) + 'm';
    if (minutes > 0) return minutes + 'm ' + (seconds % 60) + 's';
    return seconds + 's';
  }

  function rough(seconds) {
    return span(seconds).split(' ')[0];
  }

  function two(number) {
    return (number < 10 ? '0' : '') + number;
  }

  function local(date) {
    return date.getFullYear() + '-' + two(date.getMonth() + 1) + '-' + two(date.getDate()) + ' ' +
      two(date.getHours()) + ':' + two(date.getMinutes()) + ':' + two(date.getSeconds());
  }

  // The clock of the reader may be wrong: what counts is the time that has passed since the page was made.
  function skew() {
    return document.documentElement.skew || 0;
  }

  function tick() {
    if (document.hidden) return;
    var now = Date.now() - skew();
    document.querySelectorAll('time').forEach(function (element) {
      // Where there are many, the time is what is in it.
      if (!element.dateTime) element.dateTime = element.textContent.replace(' ', 'T');
      var then = Date.parse(element.dateTime);
      if (isNaN(then)) return;
      var words, seconds = (now - then) / 1000;
      if (element.classList.contains('at')) words = local(new Date(then));
      else if (element.classList.contains('spent')) words = span(seconds);
      else if (Math.abs(seconds) < 1) words = 'now';
      else words = seconds > 0 ? rough(seconds) + ' ago' : 'in ' + rough(-seconds);
      if (element.textContent !== words) element.textContent = words;
      if (!element.title) element.title = local(new Date(then));
    });
  }

  // ---- Pages that are replaced when something has changed ----

  function replace(selector, done) {
    fetch(location.href, { credentials: 'same-origin' }).then(function (response) {
      if (!response.ok) throw new Error(response.statusText);
      return response.text();
    }).then(function (text) {
      var page = new DOMParser().parseFromString(text, 'text/html');
      var fresh = page.querySelector(selector), old = document.querySelector(selector);
      if (!fresh || !old) return;
      keep(old, fresh);
      document.title = page.title;
      tick();
      done();
    }).catch(done);
  }

  // What the reader has typed, opened and reached stays.
  function keep(old, fresh) {
    var filter = old.querySelector('.filter'), focused = document.activeElement;
    var focus = focused && old.contains(focused) ? focused.getAttribute('href') || focused.className : null;
    var value = filter ? filter.value : '';
    var open = Array.prototype.map.call(old.querySelectorAll('details'), function (element) { return element.open; });
    fresh.querySelectorAll('details').forEach(function (element, index) {
      if (index < open.length) element.open = open[index];
    });
    old.replaceWith(fresh);
    enableFilter(value);
    if (focus) {
      var same = Array.prototype.find.call(fresh.querySelectorAll('a, input, button'), function (element) {
        return (element.getAttribute('href') || element.className) === focus;
      });
      if (same) same.focus({ preventScroll: true });
    }
  }

  function watch(address) {
    var busy = false, again = false;
    function refresh() {
      // A page is not exchanged while somebody works with it.
      if (document.hidden || busy || selecting()) { again = true; return; }
      busy = true;
      again = false;
      replace('main', function () {
        setTimeout(function () { busy = false; if (again) refresh(); }, 1000);
      });
    }
    new EventSource(address).addEventListener('change', refresh);
    document.addEventListener('visibilitychange', function () { if (again) refresh(); });
    setInterval(function () { if (again) refresh(); }, 5000);
  }

  function selecting() {
    var focused = document.activeElement;
    return String(window.getSelection()) !== '' || (focused && /^(SELECT|TEXTAREA)$/.test(focused.tagName)) ||
      (focused && focused.classList.contains('copy'));
  }

  // ---- The filter of the overview ----

  function enableFilter(value) {
    var filter = document.querySelector('.filter');
    if (!filter) return;
    filter.hidden = false;
    filter.value = value || '';
    filter.addEventListener('input', function () { apply(filter.value); });
    apply(filter.value);
  }

  function apply(word) {
    word = word.trim().toLowerCase();
    document.querySelectorAll('.jobs tbody tr').forEach(function (row) {
      row.hidden = word !== '' && row.cells[0].textContent.toLowerCase().indexOf(word) < 0;
    });
  }

  // ---- The console of a build that runs ----

  // Lines that are kept in the page, and those of which nobody reads all when they come at once.
  var MOST = 5000, BURST = 1000;

  function elapsed(milliseconds) {
    var sign = milliseconds < 0 ? '-' : '', tenths = Math.floor(Math.abs(milliseconds) / 100);
    var seconds = Math.floor(tenths / 10) % 60, minutes = Math.floor(tenths / 600) % 60, hours = Math.floor(tenths / 36000);
    return sign + (hours > 0 ? hours + ':' + two(minutes) : minutes) + ':' + two(seconds) + '.' + (tenths % 10);
  }

  // Numbers and times are numbers; what a line says comes from the server as HTML of its own making.
  function lineHtml(line) {
    var number = Number(line[0]), time = line[1] === null ? '' : elapsed(Number(line[1]));
    return '<div class="l" id="L' + number + '"><a href="#L' + number + '">' + number + '</a><i>' + time +
      '</i><code>' + line[2] + '</code></div>';
  }

  function commas(number) {
    return String(number).replace(/\B(?=(\d{3})+$)/g, ',') + (number === 1 ? ' line' : ' lines');
  }

  function follow(lines) {
    var pending = [], drawing = false, cost = 0, following = location.hash === '', lastScroll = 0;
    var button = document.getElementById('follow'), status = document.getElementById('status');
    var count = document.getElementById('count'), earlier = document.getElementById('earlier');

    function atEnd() {
      return window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 60;
    }

    function setFollowing(on) {
      following = on;
      button.setAttribute('aria-pressed', String(on));
      button.textContent = on ? 'Following' : 'Follow';
      if (on) toEnd();
    }

    function toEnd() {
      window.scrollTo(window.scrollX, document.documentElement.scrollHeight);
      lastScroll = window.scrollY;
    }

    function trim() {
      var extra = lines.children.length - MOST;
      if (extra <= 0) return;
      var height = following ? 0 : document.documentElement.scrollHeight;
      var range = document.createRange();
      range.setStartBefore(lines.firstChild);
      range.setEndBefore(lines.children[extra]);
      range.deleteContents();
      // What is read stays where it is.
      if (height) window.scrollBy(0, document.documentElement.scrollHeight - height);
      showEarlier();
    }

    function showEarlier() {
      var first = Number(lines.firstElementChild.id.slice(1));
      earlier.hidden = false;
      earlier.href = lines.dataset.page + '?from=' + Math.max(1, first - 1000) + '#console';
    }

    function draw() {
      var began = performance.now(), skips = pending.length > BURST && following;
      drawing = false;
      if (!pending.length) return;
      if (skips) {
        pending = pending.slice(-BURST);
        lines.textContent = '';
      }
      count.textContent = commas(Number(pending[pending.length - 1][0]));
      lines.insertAdjacentHTML('beforeend', pending.map(lineHtml).join(''));
      pending = [];
      if (skips) showEarlier();
      else trim();
      if (following) toEnd();
      cost = performance.now() - began;
    }

    // The reader gets as much time as the drawing of lines takes.
    function plan() {
      if (drawing) return;
      drawing = true;
      setTimeout(function () { requestAnimationFrame(draw); }, Math.min(cost, 1000));
    }

    function take(line) {
      pending.push(line);
      // A page in the background draws nothing, and must not grow.
      if (pending.length > 2 * MOST) pending = pending.slice(-MOST);
    }

    var source = new EventSource(lines.dataset.live);
    source.addEventListener('message', function (event) {
      JSON.parse(event.data).forEach(take);
      plan();
    });
    source.addEventListener('open', function () { status.textContent = '▶ It runs; lines appear as they are printed.'; });
    source.addEventListener('error', function () {
      status.textContent = '! The connection is lost; the page tries again.';
    });
    source.addEventListener('refused', function (event) {
      source.close();
      status.textContent = '! ' + event.data;
    });
    source.addEventListener('end', function () {
      source.close();
      status.textContent = '■ It is over.';
      button.hidden = true;
      finish();
    });

    // The result may be known a moment after the last line.
    function finish() {
      replace('#about', function () {
        var about = document.getElementById('about');
        if (about.hasAttribute('data-running')) setTimeout(finish, 1000);
        else if (following) toEnd();
      });
    }

    button.hidden = false;
    button.addEventListener('click', function () { setFollowing(!following); });
    window.addEventListener('scroll', function () {
      if (window.scrollY < lastScroll - 2 && following && !atEnd()) setFollowing(false);
      else if (!following && window.scrollY > lastScroll && atEnd()) setFollowing(true);
      lastScroll = window.scrollY;
    }, { passive: true });
    setFollowing(following);
  }

  // ---- Begin ----

  var made = document.querySelector('meta[name="made"]');
  var visit = window.performance && performance.getEntriesByType && performance.getEntriesByType('navigation')[0];
  // A page to which the reader goes back may have been made long ago.
  if (made && !(visit && visit.type === 'back_forward')) document.documentElement.skew = Date.now() - Number(made.content);
  tick();
  setInterval(tick, 1000);
  enableFilter('');
  document.querySelectorAll('.copy').forEach(function (field) {
    field.addEventListener('focus', function () { field.select(); });
  });
  if (window.EventSource) {
    var lines = document.querySelector('.lines[data-live]');
    if (lines) follow(lines);
    else if (document.body.dataset.live) watch(document.body.dataset.live);
  }
})();
