import { promote } from "../api/actions";
import type { ModelHistory } from "../api/types";
import { Text } from "../kit";
import { ActionButton } from "../shared/ActionButton";

interface Props {
  model: ModelHistory;
  alias: string;
  version: string;
  /** To an earlier version. */
  back?: boolean;
  refresh: () => void;
}

/** The button that moves an alias: to a better version, or back. */
export function MoveAlias({ model, alias, version, back = false, refresh }: Props) {
  const now = model.aliases.find((one) => one.alias === alias)?.version;
  const dag = model.dag_ids[0];
  if (dag === undefined) return null;
  const act = async () => {
    await promote({ dag_id: dag, model_uri: model.uri, conn_id: model.conn_id, alias, version });
    return { text: `@${alias} names version ${version} now.`, tasks: [] };
  };
  return (
    <ActionButton
      act={act}
      danger={back}
      label={back ? `Roll back to ${version}` : `Promote to @${alias}`}
      onDone={refresh}
      title={back ? `Roll @${alias} back to version ${version}?` : `Promote version ${version} to @${alias}?`}
    >
      <Text>
        @{alias} of {model.uri} {now === undefined ? "names no version yet" : `names version ${now}`}. From now on it
        names {version}.
      </Text>
      <Text>
        Runs that begin later and name this alias score with it. A DAG that trains and promotes by itself may move the
        alias again. Runs under way keep their version, and what is published stays. Airflow's audit log records who did
        this.
      </Text>
    </ActionButton>
  );
}
