"""Notifications."""

from airflow_batchscore.compat import require_airflow

require_airflow()

from airflow_batchscore.notifications.notifier import BatchScoreNotifier

__all__ = ["BatchScoreNotifier"]
