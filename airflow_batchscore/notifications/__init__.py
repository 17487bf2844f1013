"""Notifications."""

from airflow_batchscore.notifications.notifier import BatchScoreNotifier

__all__ = ["BatchScoreNotifier"]
