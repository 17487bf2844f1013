import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { render } from "@testing-library/react";
import type { ReactElement, ReactNode } from "react";
import { MemoryRouter, useLocation } from "react-router-dom";
import { vi } from "vitest";

import { type Answer, answer } from "../fixtures/answers";

export interface Request {
  method: string;
  url: string;
  body: unknown;
}

type Special = Answer | undefined;
type Server = (request: Request) => Special | Promise<Special>;

/**
 * Answer what the pages fetch from the fixture `name`, unless `special` does. The requests are returned, as they come.
 */
export function serve(name: string, special: Server = () => undefined): Request[] {
  const requests: Request[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit = {}) => {
    if (init.signal?.aborted) throw new DOMException("aborted", "AbortError");
    const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : null;
    const request = { method: init.method ?? "GET", url, body };
    requests.push(request);
    const { status, body: json } = (await special(request)) ?? answer(name, url.replace(/^\//, ""));
    return new Response(status === 204 ? null : JSON.stringify(json), { status });
  });
  return requests;
}

function Address() {
  return <output aria-label="address">{useLocation().search}</output>;
}

/** Render within what Airflow gives: Chakra and a router. */
export function show(page: ReactElement, address = "/") {
  const wrapper = ({ children }: { children: ReactNode }) => (
    <ChakraProvider value={defaultSystem}>
      <MemoryRouter initialEntries={[address]}>
        {children}
        <Address />
      </MemoryRouter>
    </ChakraProvider>
  );
  return render(page, { wrapper });
}
