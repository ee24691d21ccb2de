-- One row per device: those delivered, and those that only interactions know (`is_inferred`).
-- `customer_id` is the last known owner and only a hint: several people can share a device. Bots stay in the
-- table, so that they can be joined and left out of every count of visitors.
with devices as (
    select
        d.device_id,
        d.customer_id,
        d.device_type,
        d.os,
        d.browser,
        d.app_version,
        d.language,
        lower(trim(regexp_replace(d.location, '\s+', ' ', 'g'))) as location_key,
        d.country_code,
        d.is_bot,
        d.first_seen_at,
        d.source_id
    from landed.devices as d
),

mentioned as (
    select
        i.device_id,
        min(i.source_id) as source_id
    from core.interactions as i
    where i.device_id is not null
    group by i.device_id
),

locations as (
    select
        l.location_key,
        l.location
    from core.locations as l
),

members as (
    select
        d.device_id,
        d.customer_id,
        d.device_type,
        d.os,
        d.browser,
        d.app_version,
        d.language,
        d.location_key,
        d.country_code,
        d.is_bot,
        d.first_seen_at,
        false as is_inferred,
        d.source_id
    from devices as d
    union all
    select
        m.device_id,
        null, null, null, null, null, null, null, null, null, null,
        true,
        m.source_id
    from mentioned as m
    left join devices as d on m.device_id = d.device_id
    where d.device_id is null
),

final as (
    select
        m.device_id,
        m.customer_id,
        case
            when m.device_type in ('desktop', 'mobile', 'tablet', 'tv', 'other') then m.device_type
            else 'unknown'
        end as device_type,
        m.os,
        m.browser,
        m.app_version,
        m.language,
        coalesce(l.location, 'Unknown') as location,
        m.country_code,
        coalesce(m.is_bot, false) as is_bot,
        m.first_seen_at,
        m.is_inferred,
        m.source_id
    from members as m
    left join locations as l on m.location_key = l.location_key
)

select * from final
