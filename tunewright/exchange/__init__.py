"""Exchange with tools people have: the queue and the labels as Label Studio JSON and as a spreadsheet, and back."""
