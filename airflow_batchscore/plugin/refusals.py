"""What a browser shows instead of a page that is refused: Airflow's login, or why; programs get JSON as ever."""

from __future__ import annotations

import html
from urllib.parse import urlencode

from fastapi import HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, RedirectResponse

from airflow_batchscore.links import base_path

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
_TITLES = {403: "You may not see this", 404: "This does not exist (any more)"}
_FORBIDDEN = (
    "Your role does not allow you to read this DAG. Ask an administrator of this Airflow for read access to it."
)
#: Airflow's own refusal, which says no more than its number.
_SAYS_NOTHING = "Forbidden"


async def refuse(request: Request, error: HTTPException) -> Response:
    """Answer with the error; see above."""
    if "text/html" not in request.headers.get("accept", ""):
        return await http_exception_handler(request, error)
    if error.status_code == 401:
        base, url = base_path(), request.url
        # A path: behind a proxy, the host that the request names need not be the browser's.
        back = f"{base}{url.path.removeprefix(base)}{'?' if url.query else ''}{url.query}"
        return RedirectResponse(f"{base}/api/v2/auth/login?{urlencode({'next': back})}", 303)
    text = _FORBIDDEN if error.detail == _SAYS_NOTHING else str(error.detail)
    title = _TITLES.get(error.status_code, "This cannot be shown")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>:root{color-scheme:light dark}body{font-family:system-ui,sans-serif;line-height:1.5;margin:3rem auto;"
        "max-width:40rem;padding:0 1rem;overflow-wrap:anywhere}</style></head>"
        f"<body><main><h1>{title}</h1><p>{html.escape(text)}</p>"
        f'<p><a href="{html.escape(base_path())}/">To Airflow</a></p></main></body></html>'
    )
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return HTMLResponse(page, error.status_code, headers)
