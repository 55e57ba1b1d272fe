"""Pages that a person looks at: the forecasts as they were issued, and the report of a run.

page         a page as one file that asks for nothing: templates, colours, Vega inside
forecasts    measured and forecast, station by station: forecasts/latest.html, and `tidegate plot`
report       reports/report.html, from what the stages wrote and the registry says
charts       the report's charts
"""
