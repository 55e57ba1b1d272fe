"""The HTTP service: the champion's forecaster behind FastAPI and uvicorn.

champion       which version is served, and its exchange for a new one
work_queue     a bounded queue before the threads that forecast
bodies         rows in, forecasts out, as JSON or CSV
app            what each address answers
access         the bearer token, and what is counted of each request
description    OpenAPI, and a page of it
server         the socket, and the server until it is told to end
"""
