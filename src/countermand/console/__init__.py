"""The web console: pages for the people of the platform, of retailers and of suppliers. It decides nothing."""

from countermand.console.door import console_door as console_door
