-- An observation stamped with an hour is taken in it and published by its end: known one hour after its stamp.
SELECT
  origin,
  time_hour + INTERVAL 1 HOUR AS event_timestamp,
  temp AS temperature_f, humid AS humidity, wind_speed AS wind_mph,
  precip AS rain_inches, pressure AS pressure_mb, visib AS visibility_miles,
  temp - dewp AS dew_point_spread_f, sin(radians(wind_dir)) AS wind_from_east, cos(radians(wind_dir)) AS wind_from_north,
  sum(precip) OVER past AS rain_inches_6h,
  min(visib) OVER past AS least_visibility_6h,
  max(wind_speed) OVER past AS most_wind_6h,
  temp - first_value(temp) OVER past AS temperature_change_6h,
  pressure - first_value(pressure) OVER past AS pressure_change_6h
FROM weather
WINDOW past AS (PARTITION BY origin ORDER BY time_hour RANGE BETWEEN INTERVAL 5 HOUR PRECEDING AND CURRENT ROW)
