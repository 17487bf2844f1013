/** An answer of the server that is no success, in words. */
export class ApiError extends Error {
  /** 0: there was no answer. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function detailOf(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { detail?: unknown };
    if (typeof body.detail === "string") return body.detail;
    if (body.detail !== undefined) return JSON.stringify(body.detail);
  } catch {
    // A proxy's page, not JSON: its status says more.
  }
  return response.statusText || `status ${response.status}`;
}

/** How long an answer may take, and what to say of one that took longer. */
const QUESTION = { ms: 30_000, late: "The server has not answered for 30 seconds." };
const CHANGE = {
  ms: 120_000,
  late: "The server has not answered for 2 minutes. It may still do what you asked for: reload the page to see.",
};

/** The answer's JSON, or null where there is none. */
async function request<T>(
  url: string,
  init: RequestInit,
  time: typeof QUESTION,
  given?: AbortSignal,
): Promise<T | null> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), time.ms);
  const signal = given ? AbortSignal.any([given, limit.signal]) : limit.signal;
  try {
    const response = await fetch(url, { credentials: "same-origin", ...init, signal });
    if (!response.ok) throw new ApiError(response.status, await detailOf(response));
    return response.status === 204 ? null : ((await response.json()) as T);
  } catch (error) {
    if (error instanceof ApiError || error instanceof SyntaxError || given?.aborted) throw error;
    if (limit.signal.aborted) throw new ApiError(0, time.late);
    throw new ApiError(0, "The server does not answer. Is the network up, is the API server running?");
  } finally {
    clearTimeout(timer);
  }
}

export async function getJson<T>(url: string, signal?: AbortSignal): Promise<T> {
  return (await request<T>(url, { headers: { Accept: "application/json" } }, QUESTION, signal)) as T;
}

/** PUT or POST JSON, or DELETE; the answer's JSON, or null where there is none. */
export async function sendJson<T>(method: "PUT" | "POST" | "DELETE", url: string, body?: unknown): Promise<T | null> {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  return await request<T>(url, { method, headers, body: JSON.stringify(body) }, CHANGE);
}
