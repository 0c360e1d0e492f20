"""Notifications: what a user is told of new mail and of reminders, and when."""
