// Opens Gradio's heartbeat again where it was cut: by a phone that sleeps, another network, a proxy, or Back. Gradio opens it once,
// and without it the server takes the page for closed (`visits.py`).
{
  /** @type {EventSource | null} */
  let heartbeat = null;

  const open = () => {
    heartbeat?.close();
    heartbeat = new EventSource(`gradio_api/heartbeat/${window.__gradio_session_hash__}`); // reconnects after a cut
    heartbeat.onerror = () => {
      if (heartbeat?.readyState === EventSource.CLOSED) setTimeout(open, 10_000); // refused: a proxy without its server
    };
  };

  // The browser lists a request when it has ended.
  new PerformanceObserver((list) => {
    if (!heartbeat && list.getEntries().some(({ name }) => name.includes("/heartbeat/"))) open();
  }).observe({ type: "resource", buffered: true });
  // Gradio's own may have survived: two for each tab would use up the six connections that browsers keep to a server.
  addEventListener("online", () => { if (heartbeat) open(); });
  addEventListener("pageshow", ({ persisted }) => { if (persisted) open(); });
}
