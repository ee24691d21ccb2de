-- One row per line of the export, as it is called there after the aliases of source.yaml.
select
    f.store_id,
    f.store_name,
    f.location,
    f.country_code,
    f.timezone,
    f.channel,
    f.updated_at,
    f.line
from file as f
