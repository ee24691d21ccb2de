-- One row per kind of product that is not recommended, and how often it is.
with recommended as (
    select
        r.customer_id,
        r.product_id
    from recommendation.for_customer as r
),

products as (
    select
        p.product_id,
        p.product_type,
        p.is_active,
        p.stock_quantity,
        p.category
    from core.products as p
),

repeatable as (
    select r.category
    from recommendation.repeatable_categories as r
),

lately as (
    select distinct
        s.customer_id,
        s.product_id
    from core.sales as s
    cross join core.clock as c
    cross join core.parameters as k
    inner join products as p on s.product_id = p.product_id
    left join repeatable as r on p.category = r.category
    where s.is_valid
        and s.line_type = 'sale'
        and s.customer_id is not null
        and s.sold_date <= c.as_of_date
        and s.sold_date > c.as_of_date - k.repurchase_days
        and r.category is null
),

final as (
    select
        'recommendation.for_customer' as derived,
        'services, vouchers or unknown products' as item,
        count(*) filter (where coalesce(p.product_type <> 'goods', true)) as left_value,
        0 as right_value,
        count(*) filter (where coalesce(p.product_type <> 'goods', true)) as difference
    from recommended as r
    left join products as p on r.product_id = p.product_id
    union all
    select
        'recommendation.for_customer' as derived,
        'inactive products' as item,
        count(*) filter (where not p.is_active) as left_value,
        0 as right_value,
        count(*) filter (where not p.is_active) as difference
    from recommended as r
    inner join products as p on r.product_id = p.product_id
    union all
    select
        'recommendation.for_customer' as derived,
        'products out of stock' as item,
        count(*) filter (where p.stock_quantity <= 0) as left_value,
        0 as right_value,
        count(*) filter (where p.stock_quantity <= 0) as difference
    from recommended as r
    inner join products as p on r.product_id = p.product_id
    union all
    select
        'recommendation.for_customer' as derived,
        'products bought lately' as item,
        count(*) as left_value,
        0 as right_value,
        count(*) as difference
    from recommended as r
    inner join lately as l on r.customer_id = l.customer_id and r.product_id = l.product_id
    union all
    select
        'recommendation.similar_products' as derived,
        'services, inactive products or products out of stock' as item,
        count(*) as left_value,
        0 as right_value,
        count(*) as difference
    from recommendation.similar_products as s
    inner join products as p on s.similar_product_id = p.product_id
    where p.product_type <> 'goods' or not p.is_active or p.stock_quantity <= 0
)

select * from final
