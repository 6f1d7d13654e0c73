"""What the end-to-end tests stand on: programs, API client, guests. No test of qarax is in here."""
