// <talking-avatar>: a face that speaks, played while its video is being made; and the client that it stands on.
//
//     <script type="module" src="https://avatar.example/web/talking-avatar.js"></script>
//     <talking-avatar id="guide" session="..." token="..." captions></talking-avatar>
//     document.getElementById("guide").speak("Hello!");
//
// Its parts lie in talking-avatar/ beside it, without dependencies: both may be copied anywhere together. Types are in
// talking-avatar.d.ts.

import { TalkingAvatarElement } from "./talking-avatar/element.js";

export { cuesOf } from "./talking-avatar/captions.js";
export { TalkingAvatarClient } from "./talking-avatar/client.js";
export { TalkingAvatarError } from "./talking-avatar/errors.js";
export { typeOf } from "./talking-avatar/mp4.js";
export { TalkingAvatarElement };

if (!customElements.get("talking-avatar")) customElements.define("talking-avatar", TalkingAvatarElement);
