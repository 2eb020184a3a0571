"""Who can give a day: the livescores site over HTTP or through a browser, a file of results, football-data.co.uk."""
