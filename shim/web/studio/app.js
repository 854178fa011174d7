// The page: its parts, and what goes between them.

import { TalkingAvatarClient } from "../talking-avatar.js";
import { Access, sentenceOf } from "./access.js";
import { AvatarCard } from "./avatar.js";
import { History } from "./history.js";
import { ignoreStrayFiles, isStopped, tellError } from "./page.js";
import { ScriptForm } from "./script.js";
import { Stage } from "./stage.js";
import { fillVoices } from "./voices.js";

const client = new TalkingAvatarClient({ server: location.origin });
const access = new Access(client);
const stage = new Stage(client, access);
const history = new History(client, (take) => stage.replay(take));
const script = new ScriptForm(make);
const avatar = new AvatarCard(client, access, (session) => {
  script.use(session);
  stage.use(session);
});

async function make(request, label) {
  try {
    const take = await stage.make(request, label);
    if (take) history.add(take);
  } catch (error) {
    if (!isStopped(error)) script.tellError(sentenceOf(error));
  }
}

async function learnLimits() {
  try {
    const limits = await access.with(() => client.limits());
    avatar.apply(limits);
    script.apply(limits);
  } catch (error) {
    if (error.status !== 404) tellError("avatar-error", sentenceOf(error));
  }
}

/** Again when a key came that was not given at first. */
async function start() {
  await learnLimits();
  await Promise.all([avatar.restore(), fillVoices(client, access)]);
}

ignoreStrayFiles();
access.onLateKey = start;
await Promise.all([stage.learnRenderer(), start()]);
