-- One row per line of the export, as it is called there after the aliases of source.yaml.
select
    f.device_id,
    f.customer_id,
    f.device_type,
    f.os,
    f.browser,
    f.app_version,
    f.language,
    f.location,
    f.country_code,
    f.is_bot,
    f.first_seen_at,
    f.updated_at,
    f.line
from file as f
