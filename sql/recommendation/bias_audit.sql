-- One row per category, price band or popularity band, and group of customers: what share of the recommendations,
-- of the purchases of a year, and of the catalogue it has. Where the recommended share lies far above the bought
-- one, the recommender pushes; where everything is `head`, it shows people what they would have found anyway.
-- Groups are everybody, age groups and genders; all values stand in every group, with zeros.
with clock as (
    select
        c.as_of_date,
        p.min_group_size
    from core.clock as c
    cross join core.parameters as p
),

bought as (
    select distinct
        i.customer_id,
        i.product_id
    from recommendation.interactions as i
    cross join clock as c
    where i.purchases > 0 and i.interaction_date > c.as_of_date - 365
),

buyers as (
    select
        b.product_id,
        count(*) as buyers
    from bought as b
    group by b.product_id
),

goods as (
    select
        p.product_id,
        p.category,
        p.is_recommendable,
        case
            when p.price is null then 'unknown'
            when 3 * (row_number() over (partition by p.price is null order by p.price, p.product_id) - 1)
                < count(*) over (partition by p.price is null) then 'low'
            when 3 * (row_number() over (partition by p.price is null order by p.price, p.product_id) - 1)
                < 2 * count(*) over (partition by p.price is null) then 'middle'
            else 'high'
        end as price_band,
        case
            when b.buyers is null then 'tail'
            when 5 * (row_number() over (order by coalesce(b.buyers, 0) desc, p.product_id) - 1)
                < count(*) over () then 'head'
            else 'middle'
        end as popularity_band
    from recommendation.products as p
    left join buyers as b on p.product_id = b.product_id
    where p.is_goods
),

labels as (
    select 'category' as dimension, g.category as value, g.product_id, g.is_recommendable
    from goods as g
    union all
    select 'price_band' as dimension, g.price_band as value, g.product_id, g.is_recommendable
    from goods as g
    union all
    select 'popularity_band' as dimension, g.popularity_band as value, g.product_id, g.is_recommendable
    from goods as g
),

members as (
    select 'all' as group_kind, 'all' as group_value, c.customer_id
    from core.customers as c
    union all
    select 'age_group' as group_kind, c.age_group as group_value, c.customer_id
    from core.customers as c
    union all
    select 'gender' as group_kind, c.gender as group_value, c.customer_id
    from core.customers as c
),

recommended_products as (
    select
        m.group_kind,
        m.group_value,
        r.product_id,
        count(*) as recommendations
    from recommendation.for_customer as r
    inner join members as m on r.customer_id = m.customer_id
    group by m.group_kind, m.group_value, r.product_id
),

bought_products as (
    select
        m.group_kind,
        m.group_value,
        b.product_id,
        count(*) as purchases
    from bought as b
    inner join members as m on b.customer_id = m.customer_id
    group by m.group_kind, m.group_value, b.product_id
),

groups as (
    select
        m.group_kind,
        m.group_value,
        count(*) as customers
    from members as m
    group by m.group_kind, m.group_value
),

catalogue as (
    select
        l.dimension,
        l.value,
        count(*) filter (where l.is_recommendable) as products
    from labels as l
    group by l.dimension, l.value
),

counted as (
    select
        l.dimension,
        l.value,
        g.group_kind,
        g.group_value,
        g.customers,
        coalesce(sum(r.recommendations), 0)::bigint as recommendations,
        coalesce(sum(b.purchases), 0)::bigint as purchases
    from labels as l
    cross join groups as g
    left join recommended_products as r
        on l.product_id = r.product_id and g.group_kind = r.group_kind and g.group_value = r.group_value
    left join bought_products as b
        on l.product_id = b.product_id and g.group_kind = b.group_kind and g.group_value = b.group_value
    group by l.dimension, l.value, g.group_kind, g.group_value, g.customers
),

summed as (
    select
        c.dimension,
        c.value,
        c.group_kind,
        c.group_value,
        c.customers,
        c.recommendations,
        sum(c.recommendations) over (partition by c.dimension, c.group_kind, c.group_value)::bigint
            as group_recommendations,
        c.purchases,
        sum(c.purchases) over (partition by c.dimension, c.group_kind, c.group_value)::bigint as group_purchases,
        k.products,
        sum(k.products) over (partition by c.dimension, c.group_kind, c.group_value)::bigint as all_products
    from counted as c
    inner join catalogue as k on c.dimension = k.dimension and c.value = k.value
),

final as (
    select
        s.dimension,
        s.value,
        s.group_kind,
        s.group_value,
        s.recommendations,
        s.group_recommendations,
        s.recommendations::double precision / nullif(s.group_recommendations, 0) as recommended_share,
        s.purchases,
        s.group_purchases,
        s.purchases::double precision / nullif(s.group_purchases, 0) as bought_share,
        s.products,
        s.all_products,
        s.products::double precision / nullif(s.all_products, 0) as catalogue_share,
        s.recommendations::double precision / nullif(s.group_recommendations, 0)
        - s.purchases::double precision / nullif(s.group_purchases, 0) as difference,
        s.customers < k.min_group_size as low_n
    from summed as s
    cross join clock as k
)

select * from final
