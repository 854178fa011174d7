// How the element looks: its own style sheet, which the page can reach by ::part alone.

export const LOOK = new CSSStyleSheet();
LOOK.replaceSync(`
  :host { display: block; position: relative; overflow: hidden; aspect-ratio: 16 / 9; background: #0b0d12; }
  :host([hidden]) { display: none; }
  video { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
  video[part="idle"] { transition: opacity 0.25s; }
  video::cue { font: 500 max(0.72em, 15px)/1.4 Inter, system-ui, sans-serif; color: #fff; background: rgb(8 10 14 / 0.82); }
  [hidden] { display: none !important; }
  [part="message"] {
    position: absolute; inset: auto 0 0; margin: 0; padding: 12px 16px; color: #fff; background: rgb(120 20 20 / 0.92);
    font: 500 14px/1.45 system-ui, sans-serif;
  }
  [part="start"] {
    position: absolute; inset: 0; margin: auto; width: 72px; height: 72px; border: 0; border-radius: 50%; cursor: pointer;
    background: rgb(255 255 255 / 0.92);
  }
  [part="start"]::before {
    content: ""; display: block; margin-left: 28px; width: 0; height: 0; border-left: 22px solid #14161c;
    border-top: 13px solid transparent; border-bottom: 13px solid transparent;
  }
  [part="start"]:focus-visible { outline: 3px solid #fff; outline-offset: 3px; }
  @media (prefers-reduced-motion: reduce) { video { transition: none !important; } }
`);
