// Types of talking-avatar.js.

/** What a generate takes: one of `text`, `audio_base64`, `audio_url` and `idle`, and who says it. */
export interface SpeakRequest {
  session_id?: string;
  avatar_video_path?: string;
  text?: string;
  audio_base64?: string;
  audio_url?: string;
  idle?: boolean;
  voice_id?: string;
  model_id?: string;
  height?: number;
  quality?: "draft" | "standard" | "high";
  metadata?: unknown;
  [option: string]: unknown;
}

/** A finished video. Addresses are paths of the server; `client.address()` makes them whole. Times are in seconds. */
export interface VideoReply {
  job_id: string;
  session_id: string;
  duration: number;
  video_url: string;
  audio_url: string;
  captions_url: string;
  subtitles_url: string;
  thumbnail_url: string;
  words: { text: string; start: number; end: number }[];
  renderer: string;
  warnings: string[];
  [field: string]: unknown;
}

export interface SessionReply {
  session_id: string;
  status: "preparing" | "ready" | "error";
  message: string;
  avatar_prepared: boolean;
  renderer: string;
  progress?: number;
  error_code?: string;
  thumbnail_url?: string;
  avatar?: {
    width: number;
    height: number;
    seconds: number;
    face_width: number;
    face_height: number;
    face_box?: { left: number; top: number; width: number; height: number };
    warnings: string[];
  };
}

export interface JobReply {
  job_id: string;
  status: "queued" | "running" | "done" | "failed" | "cancelled";
  stage?: string;
  progress: number;
  eta_seconds?: number;
  queue_position?: number;
  session_id: string;
  created_at: string;
  stream_url: string;
  hls_url: string;
  result?: VideoReply;
  error?: { error: string; detail: string; retryable: boolean };
  metadata?: unknown;
}

/** Where the video that has begun can be followed. */
export interface Begun {
  job_id: string;
  stream_url: string;
  hls_url: string;
  content_type?: string;
}

/** How far it is: `progress` from 0 to 1. */
export interface Progress {
  stage: string;
  progress: number;
}

export interface Options {
  signal?: AbortSignal;
  keepalive?: boolean;
}

export interface StreamWatcher {
  signal?: AbortSignal;
  onBegin?(begun: Begun): void;
  onProgress?(progress: Progress): void;
  onFragment?(bytes: Uint8Array): void;
}

export declare class TalkingAvatarError extends Error {
  constructor(
    code: string,
    message: string,
    facts?: { retryable?: boolean; status?: number; retryAfter?: number | null; requestId?: string | null },
  );
  /** Stable: one of the server's codes, or `unreachable`, `connection_lost`, `unplayable`, `unknown_video`, `defect`. */
  code: string;
  retryable: boolean;
  /** The HTTP status; 0 where there was none. */
  status: number;
  /** Seconds after which the server wants to be asked again. */
  retryAfter: number | null;
  requestId: string | null;
  static told(
    fields: { error: string; detail: string; retryable: boolean; request_id?: string },
    status?: number,
    retryAfter?: number | null,
  ): TalkingAvatarError;
}

export declare class TalkingAvatarClient {
  /** `token`: one made for browsers. `key`: never in a page that others see. */
  constructor(options?: { server?: string; token?: string | null; key?: string | null });
  server: string;
  token: string | null;
  key: string | null;
  address(path: string): string;
  health(): Promise<Record<string, unknown>>;
  limits(): Promise<Record<string, unknown>>;
  voices(): Promise<{ id: string; name: string; [field: string]: unknown }[]>;
  models(): Promise<{ id: string; name: string; [field: string]: unknown }[]>;
  usage(days?: number): Promise<Record<string, unknown>>;
  createToken(fields: {
    session_id?: string;
    avatar_id?: string;
    origins?: string[];
    generations?: number;
    expires_in?: number;
  }): Promise<{ token: string; token_id: string; expires_at: string; generations: number }>;
  createSession(fields?: Record<string, unknown>): Promise<{ session_id: string; status: "preparing"; message: string }>;
  session(id: string, options?: Options): Promise<SessionReply>;
  sessions(page?: Record<string, string>): Promise<{ sessions: SessionReply[]; next_cursor?: string }>;
  deleteSession(id: string): Promise<{ message: string }>;
  avatars(page?: Record<string, string>): Promise<{ avatars: Record<string, unknown>[]; next_cursor?: string }>;
  avatar(id: string): Promise<Record<string, unknown>>;
  deleteAvatar(id: string): Promise<Record<string, unknown>>;
  generate(request: SpeakRequest, options?: Options): Promise<VideoReply>;
  startJob(request: SpeakRequest, options?: Options): Promise<JobReply>;
  job(id: string, options?: Options): Promise<JobReply>;
  cancel(id: string, options?: Options): Promise<JobReply>;
  waitUntilReady(
    id: string,
    options?: { onStatus?(session: SessionReply): void; signal?: AbortSignal },
  ): Promise<SessionReply>;
  waitForJob(id: string, options?: { onJob?(job: JobReply): void; signal?: AbortSignal }): Promise<VideoReply>;
  uploadAvatar(
    file: Blob,
    options?: { onProgress?(share: number): void; consent?: boolean; signal?: AbortSignal },
  ): Promise<{ avatar_id: string; bytes: number }>;
  stream(request: SpeakRequest, watcher?: StreamWatcher): Promise<VideoReply>;
  text(path: string, options?: Options): Promise<string>;
  request(method: string, path: string, body?: unknown, options?: Options): Promise<any>;
}

export interface TalkingAvatarEventMap {
  begin: CustomEvent<Begun>;
  progress: CustomEvent<Progress>;
  /** The first picture is on the screen. */
  play: CustomEvent<Record<string, never>>;
  /** What is being said; empty between two captions. */
  caption: CustomEvent<{ text: string }>;
  /** Played to its end. */
  end: CustomEvent<VideoReply>;
  error: CustomEvent<{ code: string; message: string; retryable: boolean; error: TalkingAvatarError }>;
}

export declare class TalkingAvatarElement extends HTMLElement {
  static observedAttributes: string[];
  server: string;
  token: string;
  session: string;
  voice: string;
  model: string;
  poster: string;
  captions: boolean;
  muted: boolean;
  idle: boolean;
  controls: boolean;
  client: TalkingAvatarClient;
  readonly video: HTMLVideoElement;
  readonly speaking: boolean;
  speak(textOrRequest: string | SpeakRequest): Promise<VideoReply>;
  replay(reply: VideoReply): Promise<void>;
  stop(): void;
  connectedCallback(): void;
  disconnectedCallback(): void;
  attributeChangedCallback(name: string): void;
  addEventListener<Name extends keyof TalkingAvatarEventMap>(
    name: Name,
    listener: (this: TalkingAvatarElement, event: TalkingAvatarEventMap[Name]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    name: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** The cues of a WebVTT file, in seconds. */
export declare function cuesOf(vtt: string): { start: number; end: number; text: string }[];

/** The MIME type, with codecs, of a fragmented MP4 that begins so; null as long as its `moov` isn't complete. */
export declare function typeOf(bytes: Uint8Array): string | null;

declare global {
  interface HTMLElementTagNameMap {
    "talking-avatar": TalkingAvatarElement;
  }
}
