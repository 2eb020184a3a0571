"""football-data.co.uk as a source: results, coming matches and odds of 38 leagues, from its CSVs.

The site publishes one CSV a season for each of its 22 main leagues, one CSV of all seasons for each
of its 16 extra leagues, and two files of coming matches. The source turns them into the livescores
day feed, so that everything behind it (archive, parser, tables) knows no difference. The CSV row
travels along, and the bookmakers' odds are read from it.
"""
