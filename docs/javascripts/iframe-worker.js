// Search without a server. A browser refuses to start a Worker from a file:// page, and the theme's search
// is one; here its script runs in a hidden frame instead. The theme's offline plugin would fetch such a
// script from a CDN each time a page is opened; it leaves that out where one of this name is given.
(() => {
  if (location.protocol !== "file:") return;

  window.Worker = window.IFrameWorker = class IFrameWorker extends EventTarget {
    #frame = document.createElement("iframe");
    #isReady = false;
    #waiting = [];

    constructor(url) {
      super();
      this.#frame.hidden = true;
      document.body.append(this.#frame);
      const inside = this.#frame.contentWindow;
      // Opened and closed at once: else some browsers put a second empty document in its place later.
      inside.document.open();
      inside.document.close();
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      inside.importScripts = (...urls) =>
        urls.reduce((before, next) => before.then(() => load(inside.document, next)), Promise.resolve());
      load(inside.document, url).then(
        () => {
          this.#isReady = true;
          this.#waiting.splice(0).forEach((data) => this.postMessage(data));
        },
        (error) => this.dispatchEvent(error),
      );
    }

    postMessage(data) {
      if (!this.#isReady) {
        this.#waiting.push(data);
        return;
      }
      // Later, as from another thread: the sender goes on first.
      const inside = this.#frame.contentWindow;
      setTimeout(() => inside.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.#frame.remove();
    }
  };

  const load = (page, url) =>
    new Promise((done, failed) => {
      const script = page.createElement("script");
      script.src = url;
      script.onload = done;
      script.onerror = () => failed(new ErrorEvent("error", { message: `cannot load ${url}` }));
      (page.body ?? page.documentElement).append(script);
    });
})();
