"""What events mean in time: instances of series, calendars of other peoples, iCalendar."""
