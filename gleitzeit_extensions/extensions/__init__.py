"""Extensions at work: imported, configured, started, watched and stopped, in the program that asks for it."""
