-- One row per shop: those delivered, those that only sales know (`is_inferred`), and `__online__`, which stands
-- for every sale that names no shop.
with stores as (
    select
        s.store_id,
        s.store_name,
        s.location,
        s.country_code,
        s.timezone,
        s.channel,
        false as is_inferred,
        s.source_id
    from landed.stores as s
),

mentioned as (
    select
        s.store_id,
        min(s.source_id) as source_id
    from core.sales as s
    where s.store_id <> '__online__'
    group by s.store_id
),

locations as (
    select
        l.location_key,
        l.location
    from core.locations as l
),

members as (
    select
        s.store_id,
        s.store_name,
        lower(trim(regexp_replace(s.location, '\s+', ' ', 'g'))) as location_key,
        s.country_code,
        s.timezone,
        s.channel,
        s.is_inferred,
        s.source_id
    from stores as s
    where s.store_id <> '__online__'
    union all
    select
        m.store_id,
        null,
        null,
        null,
        null,
        null,
        true,
        m.source_id
    from mentioned as m
    left join stores as s on m.store_id = s.store_id
    where s.store_id is null
    union all
    select
        '__online__',
        'Online shop',
        null,
        null,
        null,
        'online',
        false,
        null
),

final as (
    select
        m.store_id,
        coalesce(m.store_name, m.store_id) as store_name,
        coalesce(l.location, 'Unknown') as location,
        m.country_code,
        m.timezone,
        case when m.channel in ('online', 'marketplace') then m.channel else 'store' end as channel,
        m.is_inferred,
        m.source_id
    from members as m
    left join locations as l on m.location_key = l.location_key
)

select * from final
