-- One row per line of the export, as it is called there after the aliases of source.yaml.
select
    f.customer_id,
    f.customer_name,
    f.email,
    f.gender,
    f.age,
    f.age_band,
    f.birth_date,
    f.location,
    f.country_code,
    f.join_date,
    f.subscription_status,
    f.previous_purchases,
    f.declared_purchase_frequency,
    f.marketing_consent,
    f.updated_at,
    f.line
from file as f
