-- One row per customer: those delivered, and those that only sales or interactions know (`is_inferred`).
-- Age is counted in full years at the as-of date from the birth date, or else as delivered; where a source knows
-- bands only (`19-24`), the age group is the one that holds the middle of the band. Ages outside 0 to the highest
-- believable one are emptied and flagged. Locations are spelt as `core.locations`
-- says; where none is delivered it is `Unknown`, a value like any other.
with customers as (
    select
        c.customer_id,
        c.customer_name,
        c.email,
        c.gender,
        c.age,
        c.age_band,
        c.birth_date,
        lower(trim(regexp_replace(c.location, '\s+', ' ', 'g'))) as location_key,
        c.country_code,
        c.join_date,
        c.subscription_status,
        c.previous_purchases,
        c.declared_purchase_frequency,
        c.marketing_consent,
        false as is_inferred,
        c.source_id
    from landed.customers as c
),

mentioned as (
    select
        s.customer_id,
        s.source_id
    from core.sales as s
    where s.customer_id is not null
    union
    select
        i.customer_id,
        i.source_id
    from core.interactions as i
    where i.customer_id is not null
),

inferred as (
    select
        m.customer_id,
        min(m.source_id) as source_id
    from mentioned as m
    left join customers as c on m.customer_id = c.customer_id
    where c.customer_id is null
    group by m.customer_id
),

clock as (
    select
        c.as_of_date,
        p.age_max
    from core.clock as c
    cross join core.parameters as p
),

age_groups as (
    select
        g.age_group,
        g.age_from,
        g.age_to
    from core.age_groups as g
),

locations as (
    select
        l.location_key,
        l.location
    from core.locations as l
),

ages as (
    select g.age::int as age
    from clock as k
    cross join lateral generate_series(0, k.age_max) as g(age)
),

spans as (
    select distinct
        c.age_band,
        replace(replace(c.age_band, '<', '0-'), '+', '-' || k.age_max::text) as span
    from customers as c
    cross join clock as k
    where c.age_band is not null
),

age_bands as (
    select
        s.age_band,
        (low.age + high.age) / 2 as age
    from spans as s
    inner join ages as low on split_part(s.span, '-', 1) = low.age::text
    inner join ages as high on split_part(s.span, '-', 2) = high.age::text
),

members as (
    select
        c.customer_id,
        c.customer_name,
        c.email,
        c.gender,
        c.age as delivered_age,
        b.age as age_of_band,
        extract(year from age(k.as_of_date, c.birth_date))::int as age_by_birth,
        c.birth_date,
        c.location_key,
        c.country_code,
        c.join_date,
        c.subscription_status,
        c.previous_purchases,
        c.declared_purchase_frequency,
        c.marketing_consent,
        c.is_inferred,
        c.source_id,
        k.age_max
    from customers as c
    cross join clock as k
    left join age_bands as b on c.age_band = b.age_band
    union all
    select
        i.customer_id,
        i.customer_id,
        null, null, null, null, null, null, null, null, null, null, null, null, null,
        true,
        i.source_id,
        k.age_max
    from inferred as i
    cross join clock as k
),

aged as (
    select
        m.customer_id,
        case
            when coalesce(m.age_by_birth, m.delivered_age) between 0 and m.age_max
                then coalesce(m.age_by_birth, m.delivered_age)
        end as age,
        coalesce(coalesce(m.age_by_birth, m.delivered_age) not between 0 and m.age_max, false) as age_invalid,
        m.age_of_band
    from members as m
),

final as (
    select
        m.customer_id,
        m.customer_name,
        m.email,
        case when m.gender in ('female', 'male', 'other') then m.gender else 'unknown' end as gender,
        m.birth_date,
        a.age,
        coalesce(g.age_group, 'Unknown') as age_group,
        a.age_invalid,
        coalesce(l.location, 'Unknown') as location,
        m.country_code,
        m.join_date,
        m.subscription_status,
        m.previous_purchases,
        m.declared_purchase_frequency,
        m.marketing_consent,
        m.is_inferred,
        m.source_id
    from members as m
    inner join aged as a on m.customer_id = a.customer_id
    left join age_groups as g
        on coalesce(a.age, a.age_of_band) >= g.age_from
        and coalesce(a.age, a.age_of_band) <= coalesce(g.age_to, coalesce(a.age, a.age_of_band))
    left join locations as l on m.location_key = l.location_key
)

select * from final
