"""What the end-to-end tests are built on: programs, API client, guests. This package holds no tests."""
