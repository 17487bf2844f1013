import type { ReactNode } from "react";

import { onServer } from "../api/base";
import { Link, RouterLink } from "../kit";

/** Of this package; also where its documentation is. */
export const DOCS = "https://pypi.org/project/airflow-batchscore/";

/** Outside Airflow's own page (see shell/), its pages are loaded as documents: no router there knows them. */
const inShell = () => document.getElementById("root")?.dataset.page !== undefined;

/** A link to a page of Airflow, by its path below the base path. */
export function AirflowLink({ to, children, label }: { to: string; children: ReactNode; label?: string }) {
  return (
    <Link asChild colorPalette="brand" variant="underline">
      {inShell() ? (
        <a href={onServer(to)} aria-label={label}>
          {children}
        </a>
      ) : (
        <RouterLink to={to} aria-label={label}>
          {children}
        </RouterLink>
      )}
    </Link>
  );
}

export function OutsideLink({ href, children }: { href: string; children: ReactNode }) {
  return (
    <Link href={href} target="_blank" rel="noreferrer" colorPalette="brand" variant="underline">
      {children}
    </Link>
  );
}
