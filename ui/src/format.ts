/** Numbers, times and sizes as the reader's browser, and Airflow's choice of a time zone, write them. */

const whole = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 3 });
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });

export const NOTHING = "–";

export function count(value: number | null): string {
  return value === null ? NOTHING : whole.format(value);
}

/** A count with its noun: `1 row`, `2,000 rows`. */
export function many(value: number, one: string, more = `${one}s`): string {
  return `${whole.format(value)} ${value === 1 ? one : more}`;
}

export function short(value: number | null): string {
  return value === null ? NOTHING : value < 10_000 ? whole.format(Math.round(value)) : compact.format(value);
}

export function percent(value: number): string {
  return share.format(value);
}

/** A metric, a drift: four significant digits are what people compare. */
export function measure(value: number | null): string {
  if (value === null) return NOTHING;
  return new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 }).format(value);
}

/** An amount of money, of whatever currency: cents, or of less than a few cents what can be told. */
export function price(value: number): string {
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return new Intl.NumberFormat(undefined, value < 0.1 ? { maximumSignificantDigits: 2 } : digits).format(value);
}

export function bytes(value: number | null): string {
  if (value === null) return NOTHING;
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];
  const power = value < 1 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), units.length - 1);
  const format = { style: "unit", unit: units[power], unitDisplay: "short", maximumSignificantDigits: 3 } as const;
  return new Intl.NumberFormat(undefined, format).format(value / 1000 ** power);
}

/** A duration as people say it: `4 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number | null): string {
  if (seconds === null) return NOTHING;
  if (seconds < 10) return `${measure(Math.round(seconds * 10) / 10)} s`;
  const rounded = Math.round(seconds);
  if (rounded < 60) return `${rounded} s`;
  if (rounded < 3600) {
    const rest = rounded % 60;
    return `${Math.floor(rounded / 60)} min${rest ? ` ${rest} s` : ""}`;
  }
  const minutes = Math.round(rounded / 60);
  return `${whole.format(Math.floor(minutes / 60))} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}

/** An estimate says only what it knows: `3 min`, never `3 min 12 s`. */
export function roughly(seconds: number): string {
  if (seconds < 90) return `${Math.max(Math.round(seconds / 5) * 5, 5)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${measure(Math.round(seconds / 360) / 10)} h`;
}

/** `about 3 min (2 to 5)`. */
export function eta(estimate: { seconds: number; low: number; high: number }): string {
  const [low, most] = [roughly(estimate.low), roughly(estimate.high)];
  const [lowNumber, lowUnit] = low.split(" ");
  const [highNumber, highUnit] = most.split(" ");
  const spread = low === most ? "" : lowUnit === highUnit ? ` (${lowNumber} to ${highNumber})` : ` (${low} to ${most})`;
  return `about ${roughly(estimate.seconds)}${spread}`;
}

/** The time zone that the user chose in Airflow; without a choice, as there, the browser's. */
export function timeZone(): string | undefined {
  try {
    const stored = localStorage.getItem("timezone");
    const zone = stored === null ? undefined : (JSON.parse(stored) as unknown);
    if (typeof zone !== "string") return undefined;
    new Intl.DateTimeFormat(undefined, { timeZone: zone });
    return zone;
  } catch {
    return undefined;
  }
}

export function time(iso: string | null): string {
  if (iso === null) return NOTHING;
  const when = new Date(iso);
  if (Number.isNaN(when.getTime())) return iso;
  const parts = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" } as const;
  return when.toLocaleString(undefined, { ...parts, second: "2-digit", timeZone: timeZone(), timeZoneName: "short" });
}

export function day(iso: string | null): string {
  if (iso === null) return NOTHING;
  const when = new Date(iso);
  const parts = { month: "short", day: "numeric", timeZone: timeZone() } as const;
  return Number.isNaN(when.getTime()) ? iso : when.toLocaleDateString(undefined, parts);
}

function moment(iso: string | null): string {
  if (iso === null) return NOTHING;
  const when = new Date(iso);
  const parts = {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZone: timeZone(),
  } as const;
  return Number.isNaN(when.getTime()) ? iso : when.toLocaleString(undefined, parts);
}

/** How to tell these moments apart: by their days, or where several are of one day, with their times. */
export function distinct(moments: (string | null)[]): (iso: string | null) => string {
  return new Set(moments.map(day)).size < moments.length ? moment : day;
}

/** A partition's key as people write it: keys hold `M%C3%BCnchen`. For reading only; the server wants the key itself. */
export function readable(key: string): string {
  return key.replace(/(?:%[0-9A-Fa-f]{2})+/g, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

/** `a, b and c`; of many, the first few and how many more. */
export function list(words: string[], most = 3): string {
  const shown = words.length <= most ? words : [...words.slice(0, most), `${whole.format(words.length - most)} more`];
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown[shown.length - 1] ?? ""}`;
}
