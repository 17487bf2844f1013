import type { PartitionTable } from "../api/types";
import { readable } from "../format";

/** What tells a partition from the others in every answer; its position may change between two of them. */
export interface Identity {
  key: string;
  task_id: string | undefined;
  map_index: number | undefined;
}

export function identity(partitions: PartitionTable, index: number): Identity {
  const task = partitions.tasks[partitions.task[index] ?? -1];
  return { key: partitions.key[index] ?? "", task_id: task?.task_id, map_index: task?.map_index };
}

/** Its position; null if it is gone. */
export function find(partitions: PartitionTable, wanted: Identity): number | null {
  const index = partitions.key.findIndex((key, position) => {
    if (key !== wanted.key) return false;
    const { task_id, map_index } = identity(partitions, position);
    return task_id === wanted.task_id && map_index === wanted.map_index;
  });
  return index < 0 ? null : index;
}

/** The scoring stages that the partitions belong to. */
export function scoringStages({ tasks }: PartitionTable): string[] {
  return [...new Set(tasks.map((task) => task.task_id))];
}

/** Its key in words; with its task's name in front where several stages score, as two of them may score one key. */
export function nameOf(partitions: PartitionTable, index: number): string {
  const { key, task_id } = identity(partitions, index);
  return task_id !== undefined && scoringStages(partitions).length > 1 ? `${task_id}: ${readable(key)}` : readable(key);
}
