-- One row per count of recommendations: what there is, and what there must be. A list has as many products as
-- core.parameters asks for, or all that may be recommended to the customer if those are fewer.
with clock as (
    select
        c.as_of_date,
        k.repurchase_days,
        k.recommendations_per_customer
    from core.clock as c
    cross join core.parameters as k
),

products as (
    select
        p.product_id,
        p.is_recommendable,
        p.is_repeatable
    from recommendation.products as p
),

offered as (
    select count(*) filter (where p.is_recommendable) as products
    from products as p
),

lately as (
    select
        i.customer_id,
        count(distinct i.product_id) as products
    from recommendation.interactions as i
    inner join products as p on i.product_id = p.product_id
    cross join clock as c
    where p.is_recommendable
        and not p.is_repeatable
        and i.purchases > 0
        and i.interaction_date > c.as_of_date - c.repurchase_days
    group by i.customer_id
),

wanted as (
    select
        m.customer_id,
        least(c.recommendations_per_customer, o.products - coalesce(l.products, 0)) as recommendations
    from core.customers as m
    cross join offered as o
    cross join clock as c
    left join lately as l on m.customer_id = l.customer_id
),

found as (
    select
        r.customer_id,
        count(*) as recommendations
    from recommendation.for_customer as r
    group by r.customer_id
),

final as (
    select
        'recommendation.for_customer' as derived,
        'customers whose list is shorter or longer' as item,
        count(*) filter (where coalesce(f.recommendations, 0) <> w.recommendations) as left_value,
        0 as right_value,
        count(*) filter (where coalesce(f.recommendations, 0) <> w.recommendations) as difference
    from wanted as w
    left join found as f on w.customer_id = f.customer_id
    union all
    select
        'recommendation.for_customer' as derived,
        'recommendations' as item,
        (select count(*) from recommendation.for_customer as r) as left_value,
        coalesce(sum(w.recommendations), 0) as right_value,
        (select count(*) from recommendation.for_customer as r) - coalesce(sum(w.recommendations), 0) as difference
    from wanted as w
)

select * from final
